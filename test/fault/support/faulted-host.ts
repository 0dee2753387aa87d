import { existsSync } from 'node:fs';
import { access, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { stringify } from 'yaml';
import { hostFiles } from '../../../apps/agent/src/config/host-files.js';
import { RedisSecret } from '../../../apps/agent/src/enrollment/redis-secret.js';
import { enrolAgent } from '../../../apps/cli/src/embedded/local-agent.js';
import type { Program } from '../../../apps/cli/src/embedded/supervised.js';
import { until } from '../../../apps/cli/src/embedded/wait.js';
import { appMain } from '../../../apps/cli/src/product/package-root.js';
import { projectRoot } from '../../e2e/support/product.js';
import type { Cluster } from './cluster.js';
import { REDIS_SERVERS } from './redis-nodes.js';
import { SensorTap } from './sensor-tap.js';

/** What outlives a boot: of agent and compiler, of the sensor, and its settings of systemd. All lie on the disk of the host. */
const KEPT = ['state', 'sensor', 'units'];

/**
 * A host as it is shipped, but for its kernel: agent, compiler and sensor are processes, each link of the agent can be
 * cut, and the sensor loads into a folder of ordinary files.
 */
export class FaultedHost {
  readonly #dir: string;
  #tap: SensorTap | undefined;
  #running = false;

  constructor(
    readonly name: string,
    private readonly cluster: Cluster,
    private readonly features: string,
    /** Whether the second control plane is the one that it knows. */
    private readonly hasReplica: boolean,
  ) {
    this.#dir = join(cluster.folder, name);
  }

  get isRunning(): boolean {
    return this.#running;
  }

  get tap(): SensorTap | undefined {
    return this.#tap;
  }

  /** Another machine of this name: what the one before ran is ended, and nothing that it had is there. */
  async renew(): Promise<void> {
    for (const program of ['agent', 'sensor', 'compiler'])
      await this.cluster.programs.end(`${program}@${this.name}`);
    await this.#tap?.stop();
    this.#tap = undefined;
    this.#running = false;
    for (const folder of [...KEPT, 'kernel'])
      await rm(this.#at(folder), { recursive: true, force: true });
    await this.cluster.disks.empty(this.name);
    await this.#makeFolders();
    this.cluster.history.write({ type: 'renewed', node: this.name });
  }

  /** Its folders, links and configuration; nothing runs yet. */
  async prepare(): Promise<void> {
    await this.#makeFolders();
    const { ports } = this.cluster;
    const controlPlane = this.hasReplica ? ports.replica : ports['control plane'];
    const behind = { ...ports, 'control plane': controlPlane };
    for (const to of [...REDIS_SERVERS, 'control plane'] as const)
      await this.cluster.addLink(`${to}@${this.name}`, behind[to]);
    const config = {
      controlPlane: {
        url: `https://127.0.0.1:${this.#link('control plane')}`,
        caFingerprint: this.cluster.material.caFingerprint,
      },
      enforcer: 'apparmor',
      stateDir: this.#at('state'),
      sensorSocket: this.#at('tap.sock'),
    };
    await writeFile(this.#at('agent.yaml'), stringify(config));
  }

  /** Enrols; safe to repeat, since the keys are made before they are sent. */
  async enrol(token: string): Promise<void> {
    const { caFingerprint } = this.cluster.material;
    const url = `https://127.0.0.1:${this.#link('control plane')}`;
    const agent = {
      program: appMain('agent'),
      dir: this.#dir,
      url,
      caFingerprint,
      name: this.name,
    };
    await enrolAgent(agent, this.#at('agent.yaml'), token);
  }

  /** As its agent begins one: another secret for Redis is written down, and the control plane has not heard of it. */
  async beginRenewal(): Promise<void> {
    if (!this.#running) throw new Error(`the agent of ${this.name} does not run`);
    await new RedisSecret(hostFiles(this.#at('state')), '').begin();
  }

  get isRenewing(): boolean {
    return existsSync(hostFiles(this.#at('state')).redisSecretNext);
  }

  async start(): Promise<void> {
    this.#tap = new SensorTap({
      node: this.name,
      history: this.cluster.history,
      path: this.#at('tap.sock'),
      sensor: this.#at('sensor.sock'),
      kernel: this.#at('kernel/apparmor/policy/profiles'),
    });
    const compiler = join(projectRoot, 'dist/apps/compiler/src/main.js');
    const trust = ['--trust-dir', this.#at('state/trust')];
    const kernel = ['--securityfs', this.#at('kernel')];
    await this.#run('compiler', 'compiler.sock', [
      ...[execPath, '--disable-warning=ExperimentalWarning', compiler],
      ...['--socket', this.#at('compiler.sock'), ...trust],
      ...['--sealing-key', this.#at('state/trust/sealing.key'), ...kernel],
      ...['--config', this.#at('agent.yaml'), '--features', this.features],
      ...['--root', this.#at('root')],
    ]);
    await this.#run('sensor', 'sensor.sock', [
      ...[await this.cluster.sensor, 'run', '--state-dir', this.#at('sensor'), ...trust, ...kernel],
      ...['--sysfs', this.#at('sys')],
      ...['--socket', this.#at('sensor.sock'), '--compiler', this.#at('compiler.sock')],
      ...['--dropin-dir', this.#at('units'), '--agent-user', 'daemon'],
    ]);
    await this.#run('agent', undefined, [
      ...['/bin/sh', '-c', 'sed -i "$0" "$1"; shift; exec "$@"'],
      ...[this.#ownLinks, hostFiles(this.#at('state')).redis],
      ...[execPath, '--disable-warning=ExperimentalWarning', ...this.cluster.agent, 'run'],
      `--config=${this.#at('agent.yaml')}`,
    ]);
    this.#running = true;
  }

  async stop(): Promise<void> {
    await this.#tap?.stop();
  }

  async #makeFolders(): Promise<void> {
    for (const folder of ['disk', 'root/usr/bin', 'kernel/apparmor/policy/profiles'])
      await mkdir(this.#at(folder), { recursive: true });
    await writeFile(this.#at('kernel/apparmor/.replace'), '');
    await writeFile(this.#at('kernel/lsm'), 'capability,apparmor');
    for (const folder of KEPT) await this.#keepOnDisk(folder);
  }

  async #keepOnDisk(folder: string): Promise<void> {
    const kept = join(this.cluster.disks.at(this.name), folder);
    await rm(kept, { recursive: true, force: true });
    await mkdir(kept, { mode: 0o755 });
    await symlink(kept, this.#at(folder));
  }

  /** Of sed: hosts are told where control planes reach Redis, and each has links of its own. */
  get #ownLinks(): string {
    const each = REDIS_SERVERS.map((to) => {
      return `s/"port":${this.cluster.link(to).port}\\b/"port":${this.#link(to)}/g`;
    });
    return each.join(';');
  }

  #link(to: string): number {
    return this.cluster.link(`${to}@${this.name}`).port;
  }

  async #run(name: string, socket: string | undefined, command: readonly string[]): Promise<void> {
    const path = socket === undefined ? undefined : this.#at(socket);
    const program: Program = {
      name: `${name} of ${this.name}`,
      command: '/bin/sh',
      // One that was killed leaves its socket.
      args: ['-c', 'rm -f "$0"; exec "$@"', path ?? '', ...command],
      cwd: this.#dir,
      logFile: this.#at(`${name}.log`),
      ready: (signal) => (path ? until(() => access(path), signal) : Promise.resolve()),
      readyWithinMs: 30_000,
      stopWithinMs: 10_000,
    };
    const { clocks } = this.cluster;
    await this.cluster.run(`${name}@${this.name}`, await clocks.follow(this.name, program));
  }

  #at(name: string): string {
    return join(this.#dir, name);
  }
}
