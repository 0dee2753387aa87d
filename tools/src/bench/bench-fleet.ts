import { join } from 'node:path';
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { NodeView } from '#contracts';
import { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';
import {
  agentProgram,
  enrolAgent,
  joinTokenFor,
  writeAgentConfig,
  type LocalAgent,
} from '../../../apps/cli/src/embedded/local-agent.js';
import { PrivateControlPlane } from '../../../apps/cli/src/embedded/private-control-plane.js';
import type { RunRecord } from '../../../apps/cli/src/embedded/run-record.js';
import { Supervised } from '../../../apps/cli/src/embedded/supervised.js';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { appMain } from '../../../apps/cli/src/product/package-root.js';

/** Label of the agents, by which the policy of the bench selects them. */
export const BENCH_LABEL = { bench: 'apply' } as const;

const CONNECT_WITHIN_MS = 180_000;
const POLL_MS = 200;

/** A control plane and agents of this machine, real processes all of them, in a folder of their own. */
export class BenchFleet {
  readonly nodes: string[] = [];
  private readonly agents: Supervised[] = [];

  private constructor(
    private readonly folder: string,
    private readonly own: PrivateControlPlane,
    private readonly tell: (message: string) => void,
  ) {}

  private parts: { record: RunRecord; client: ControlPlane; token: string } | undefined;

  /** A fleet that runs nothing yet; `stop` it whatever happens. */
  static in(folder: string, tell: (message: string) => void): BenchFleet {
    return new BenchFleet(folder, new PrivateControlPlane(folder), tell);
  }

  /** Starts the control plane and makes one join token of `uses` uses. */
  async start(uses: number): Promise<void> {
    const record = await this.own.up();
    const client = new ControlPlane(await this.own.context());
    this.parts = {
      record,
      client,
      token: await joinTokenFor(client, { uses, labels: BENCH_LABEL }),
    };
  }

  get controlPlane(): ControlPlane {
    return this.started.client;
  }

  get dataDir(): string {
    return this.own.dataDir;
  }

  get agentPids(): readonly number[] {
    return this.agents.map(({ pid }) => pid ?? 0);
  }

  /** Pids of control plane, etcd and Redis, by these names. */
  get servicePids(): Readonly<Record<string, number>> {
    return this.started.record.children;
  }

  /** Enrols and starts agents until there are `count`, and waits until each has reported. */
  async grow(count: number, signal: AbortSignal): Promise<void> {
    const missing = Array.from({ length: count - this.nodes.length }, (_, index) =>
      this.agentOf(this.nodes.length + index + 1),
    );
    const worker = async (): Promise<void> => {
      for (let agent = missing.shift(); agent !== undefined; agent = missing.shift()) {
        signal.throwIfAborted();
        await this.enrol(agent);
      }
    };
    await Promise.all(Array.from({ length: availableParallelism() }, worker));
    await this.allConnected(signal);
  }

  /** Ends all processes; safe at any moment. */
  async stop(): Promise<void> {
    await Promise.all(this.agents.map((agent) => agent.stop()));
    this.parts?.client.close();
    await this.own.down();
  }

  private get started() {
    if (this.parts === undefined) throw new CommandFailed('the fleet was not started');
    return this.parts;
  }

  private agentOf(number: number): LocalAgent {
    const { record } = this.started;
    const name = `bench-${String(number).padStart(3, '0')}`;
    return {
      program: appMain('agent'),
      dir: join(this.folder, 'agents', name),
      url: record.url,
      caFingerprint: record.caFingerprint,
      name,
    };
  }

  private async enrol(agent: LocalAgent): Promise<void> {
    const config = await writeAgentConfig(agent);
    await enrolAgent(agent, config, this.started.token);
    const supervised = new Supervised(agentProgram(agent, config, agent.dir), this.tell);
    this.agents.push(supervised);
    this.nodes.push(agent.name);
    await supervised.start();
  }

  private async allConnected(signal: AbortSignal): Promise<void> {
    const deadline = Date.now() + CONNECT_WITHIN_MS;
    for (;;) {
      const nodes = await this.controlPlane.all<NodeView>('/v1/nodes');
      const connected = nodes.filter((node) => node.connected).length;
      if (connected === this.nodes.length) return;
      if (Date.now() > deadline)
        throw new CommandFailed(`${connected} of ${this.nodes.length} agents have reported`);
      await delay(POLL_MS, undefined, { signal });
    }
  }
}
