import { access, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ControlPlane } from '../client/control-plane.js';
import { loadContext, saveContext, type Context } from '../client/context.js';
import { CommandFailed } from '../errors.js';
import { appMain } from '../package-root.js';
import { controlPlaneProgram, initialise, type Material } from './control-plane.js';
import { etcdProgram } from './etcd.js';
import {
  agentProgram,
  enrolAgent,
  joinTokenFor,
  localNodeName,
  writeAgentConfig,
  type LocalAgent,
} from './local-agent.js';
import { portsOf, type Ports } from './ports.js';
import { redisProgram } from './redis.js';
import { Supervised, type Program } from './supervised.js';
import { until } from './wait.js';

export interface StackOptions {
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly names: readonly string[];
  readonly localAgent: boolean;
  readonly tell: (message: string) => void;
}

const READY_WITHIN_MS = 60_000;

/** Everything `up` runs on this machine, started in the order of its needs and stopped in the reverse one. */
export class Stack {
  private readonly running: Supervised[] = [];

  private constructor(
    private readonly options: StackOptions,
    readonly material: Material,
  ) {}

  /** Starts all; what was started is stopped again when a later part fails. */
  static async start(options: StackOptions): Promise<Stack> {
    await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
    const ports = await portsOf(options.dataDir);
    const material = await initialise({
      program: appMain('control-plane'),
      dataDir: join(options.dataDir, 'control-plane'),
      listen: `${options.host}:${options.port}`,
      names: options.names,
      etcd: `https://127.0.0.1:${ports.etcdClient}`,
      redis: `127.0.0.1:${ports.redis}`,
    });
    const stack = new Stack(options, material);
    try {
      await stack.startAll(ports);
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  get url(): string {
    return this.material.url;
  }

  /** Pids by program name. */
  get children(): Record<string, number> {
    return Object.fromEntries(this.running.map(({ program, pid }) => [program.name, pid ?? 0]));
  }

  async stop(): Promise<void> {
    for (const program of this.running.reverse()) await program.stop();
    this.running.length = 0;
  }

  private async startAll(ports: Ports): Promise<void> {
    const { dataDir, host, port } = this.options;
    const { etcd, redis, configFile } = this.material;
    await this.run(
      etcdProgram({ dataDir, clientPort: ports.etcdClient, peerPort: ports.etcdPeer, tls: etcd }),
    );
    await this.run(
      await redisProgram({
        command: await redisCommand(),
        dataDir,
        host,
        port: ports.redis,
        files: redis,
      }),
    );
    await this.run(controlPlaneProgram(appMain('control-plane'), configFile, dataDir, port));
    const controlPlane = new ControlPlane(await this.context());
    try {
      await until(() => ready(controlPlane), AbortSignal.timeout(READY_WITHIN_MS));
      if (this.options.localAgent) await this.startLocalAgent(controlPlane);
    } finally {
      controlPlane.close();
    }
  }

  private async run(program: Program): Promise<void> {
    const supervised = new Supervised(program, this.options.tell);
    this.running.push(supervised);
    await supervised.start();
  }

  /** The context for the CLI: written when a token was made just now, else the one of before. */
  private async context(): Promise<Context> {
    const ca = await readFile(this.material.caFile, 'utf8');
    if (this.material.adminToken !== undefined) {
      const context = { url: this.url, token: this.material.adminToken, ca };
      await saveContext(context);
      return context;
    }
    return { ...(await loadContext()), url: this.url, ca };
  }

  private async startLocalAgent(controlPlane: ControlPlane): Promise<void> {
    const agent: LocalAgent = {
      program: appMain('agent'),
      dir: join(this.options.dataDir, 'agent'),
      url: this.url,
      caFingerprint: this.material.caFingerprint,
      name: localNodeName(),
    };
    const config = await writeAgentConfig(agent);
    const enrolled = await access(join(agent.dir, 'state', 'trust', 'node-id')).then(
      () => true,
      () => false,
    );
    if (!enrolled) await enrolAgent(agent, config, await joinTokenFor(controlPlane));
    await this.run(agentProgram(agent, config, this.options.dataDir));
  }
}

async function ready(controlPlane: ControlPlane): Promise<void> {
  const answer = await controlPlane.answer('/readyz');
  if (answer.status !== 200)
    throw new CommandFailed(`the control plane is not ready: ${JSON.stringify(answer.body)}`);
}

async function redisCommand(): Promise<string> {
  for (const name of ['redis-server', 'valkey-server']) {
    for (const folder of ['/usr/bin', '/usr/local/bin']) {
      const path = join(folder, name);
      if (
        await access(path).then(
          () => true,
          () => false,
        )
      )
        return path;
    }
  }
  throw new CommandFailed(
    'neither redis-server nor valkey-server is installed',
    'run it through ./hostward, which installs it',
  );
}
