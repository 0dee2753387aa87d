import { setTimeout as delay } from 'node:timers/promises';
import type { Fault } from '../plan.js';
import type { Cluster } from './cluster.js';

/** Does the faults of a plan, and undoes each when its time is over. */
export class Injector {
  readonly counts = new Map<string, number>();
  readonly #undoing = new Set<Promise<void>>();

  constructor(private readonly cluster: Cluster) {}

  async inject(fault: Fault): Promise<void> {
    this.cluster.history.write({ type: 'fault', fault: JSON.stringify(fault) });
    try {
      await this.#do(fault);
      this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    } catch (error) {
      const words = `not done: ${JSON.stringify(fault)}: ${String(error)}`;
      this.cluster.history.write({ type: 'fault', fault: words });
    }
  }

  /** Nothing is broken any more. */
  async end(): Promise<void> {
    this.cluster.programs.heal();
    await Promise.all(this.#undoing);
    this.cluster.programs.heal();
  }

  async #do(fault: Fault): Promise<void> {
    const { programs, log } = this.cluster;
    switch (fault.kind) {
      case 'kill':
        programs.signal(fault.of, 'SIGKILL');
        return;
      case 'end':
        programs.signal(fault.of, 'SIGTERM');
        return;
      case 'stop':
        programs.signal(fault.of, 'SIGSTOP');
        return this.#later(fault.forMs, () => void programs.signal(fault.of, 'SIGCONT'));
      case 'cut':
      case 'stall':
      case 'slow':
        return this.#link(fault.kind, fault.of, fault.forMs);
      case 'break-off':
        this.cluster.link(fault.of).cutAfterBytes(fault.afterBytes);
        return this.#later(3_000, () => this.cluster.link(fault.of).restore());
      case 'flush':
        await this.#admin(fault.of, (connection) =>
          connection.run('emptying Redis', (client) => client.flushall()),
        );
        return;
      case 'corrupt-bundles':
        return this.#corrupt();
      case 'compact':
        return log.compact();
    }
  }

  #link(kind: 'cut' | 'stall' | 'slow', name: string, forMs: number): void {
    const link = this.cluster.link(name);
    if (kind === 'cut') link.cut();
    else if (kind === 'stall') link.stall();
    else link.slow(forMs / 4);
    this.#later(forMs, () => link.restore());
  }

  /** One bit of every bundle that lies in Redis. */
  #corrupt(): Promise<void> {
    return this.#admin('redis', (connection) =>
      connection.run('spoiling bundles', async (client) => {
        for (const key of await client.keys('hw:b:*')) {
          const bytes = await client.getBuffer(key);
          if (bytes === null || bytes.length === 0) continue;
          bytes[0] = (bytes[0] ?? 0) ^ 1;
          await client.set(key, bytes);
        }
      }),
    );
  }

  async #admin(
    of: 'redis' | 'redis-events',
    work: (connection: ReturnType<Cluster['admin']>) => Promise<unknown>,
  ): Promise<void> {
    const connection = this.cluster.admin(of);
    try {
      await work(connection);
    } finally {
      connection.close();
    }
  }

  #later(ms: number, undo: () => void): void {
    const undoing = delay(ms).then(undo);
    this.#undoing.add(undoing);
    void undoing.finally(() => this.#undoing.delete(undoing));
  }
}
