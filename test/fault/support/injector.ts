import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Fault } from '../plan.js';
import type { Cluster, RedisServerName } from './cluster.js';
import { ETCD_MEMBERS } from './etcd-members.js';
import { MASTER_NAME } from './redis-nodes.js';
import { rememberDenial } from './sensor-memory.js';

/** Does the faults of a plan, and undoes each when its time is over. */
export class Injector {
  readonly counts = new Map<string, number>();
  notDone = 0;
  readonly #undoing = new Set<Promise<void>>();

  constructor(private readonly cluster: Cluster) {}

  async inject(fault: Fault): Promise<void> {
    this.cluster.history.write({ type: 'fault', fault: JSON.stringify(fault) });
    try {
      await this.#do(fault);
      this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    } catch (error) {
      this.notDone += 1;
      const words = `not done: ${JSON.stringify(fault)}: ${String(error)}`;
      this.cluster.history.write({ type: 'fault', fault: words });
    }
  }

  /** Nothing is broken any more. */
  async end(): Promise<void> {
    await this.cluster.programs.heal();
    await Promise.all(this.#undoing);
    await this.cluster.programs.heal();
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
        return this.#stop(fault.of, fault.forMs);
      case 'cut':
      case 'stall':
      case 'slow':
        return this.#link(fault.kind, fault.of, fault.forMs);
      case 'break-off':
        this.cluster.link(fault.of).cutAfterBytes(fault.afterBytes);
        return this.#later(3_000, () => this.cluster.link(fault.of).restore());
      case 'flush':
        for (const name of fault.of === 'redis' ? await this.cluster.masters() : [fault.of])
          await this.#admin(name, (connection) =>
            connection.run('emptying Redis', (client) => client.flushall()),
          );
        return;
      case 'lose-leader':
        return this.#loseLeader(fault.by, fault.forMs);
      case 'fail-over':
        return this.#failOver(fault.by, fault.forMs);
      case 'fill-disk':
        return this.#fill(fault.of, fault.forMs);
      case 'set-clock':
        await this.cluster.clocks.set(fault.of, fault.byMs);
        return this.#later(fault.forMs, () => this.cluster.clocks.set(fault.of, 0));
      case 'deny-agent':
        return this.#denyAgent(fault.of);
      case 'corrupt-bundles':
        return this.#corrupt();
      case 'compact':
        return log.compact();
    }
  }

  /** Of a member of etcd its disk; of others the process can make no file longer. */
  async #fill(of: string, forMs: number): Promise<void> {
    const { programs, disks } = this.cluster;
    const member = ETCD_MEMBERS.find((name) => name === of);
    if (member) await disks.fill(member);
    else await programs.mayWrite(of, false);
    this.#later(forMs, () => (member ? disks.empty(member) : programs.mayWrite(of, true)));
  }

  #link(kind: 'cut' | 'stall' | 'slow', name: string, forMs: number): void {
    const link = this.cluster.link(name);
    if (kind === 'cut') link.cut();
    else if (kind === 'stall') link.stall();
    else link.slow(forMs / 4);
    this.#later(forMs, () => link.restore());
  }

  #stop(name: string, forMs: number): void {
    const { programs } = this.cluster;
    programs.signal(name, 'SIGSTOP');
    this.#later(forMs, () => void programs.signal(name, 'SIGCONT'));
  }

  async #loseLeader(by: 'kill' | 'stop', forMs: number): Promise<void> {
    const leader = ETCD_MEMBERS[await this.cluster.log.leader()] ?? '';
    if (by === 'stop') this.#stop(leader, forMs);
    else this.cluster.programs.signal(leader, 'SIGKILL');
  }

  /** Another node becomes the master: the one of now is cut off or stands still until then, or Sentinel is asked to. */
  async #failOver(by: 'cut' | 'order' | 'stop', forMs: number): Promise<void> {
    const [master] = await this.cluster.masters();
    if (master === undefined) throw new Error('no Redis says that it is a master');
    if (by === 'stop') return this.#stop(master, forMs);
    if (by === 'cut') return this.#link('cut', master, forMs);
    const sentinel = this.cluster.sentinel();
    try {
      await sentinel.run('asking for a failover', (client) =>
        client.call('SENTINEL', 'FAILOVER', MASTER_NAME),
      );
    } finally {
      sentinel.close();
    }
  }

  /** The sensor knows of it when it has started anew: what it has in memory, nobody else writes. */
  async #denyAgent(host: string): Promise<void> {
    const { programs, folder } = this.cluster;
    programs.signal(`sensor@${host}`, 'SIGSTOP');
    await rememberDenial(join(folder, host, 'sensor', 'memory'));
    programs.signal(`sensor@${host}`, 'SIGKILL');
  }

  /** One bit of every bundle that lies in Redis. */
  async #corrupt(): Promise<void> {
    for (const name of await this.cluster.masters())
      await this.#admin(name, (connection) =>
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
    of: RedisServerName,
    work: (connection: ReturnType<Cluster['admin']>) => Promise<unknown>,
  ): Promise<void> {
    const connection = this.cluster.admin(of);
    try {
      await work(connection);
    } finally {
      connection.close();
    }
  }

  #later(ms: number, undo: () => Promise<void> | void): void {
    const undoing = delay(ms)
      .then(undo)
      .catch(() => undefined);
    this.#undoing.add(undoing);
    void undoing.finally(() => this.#undoing.delete(undoing));
  }
}
