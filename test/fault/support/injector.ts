import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ControlPlaneName, Fault } from '../faults.js';
import type { Cluster } from './cluster.js';
import type { Disks } from './disks.js';
import { ETCD_MEMBERS } from './etcd-members.js';
import { FaultTally, LackingHere } from './fault-tally.js';
import type { FaultedHost } from './faulted-host.js';
import type { FaultedPostgres } from './faulted-postgres.js';
import { MASTER_NAME, type RedisNodeName, type RedisServerName } from './redis-nodes.js';
import { rememberDenial } from './sensor-memory.js';

const BETWEEN_TRIES_MS = 2_000;
const RENEWALS = 4;
const RENEWS_WITHIN_MS = 12_000;

/** Does the faults of a plan, and undoes each when its time is over. */
export class Injector {
  readonly tally = new FaultTally();
  readonly #pending = new Set<Promise<void>>();
  readonly #over = new AbortController();
  readonly #renewed = new Set<string>();

  constructor(
    private readonly cluster: Cluster,
    private readonly hosts: ReadonlyMap<string, FaultedHost>,
  ) {}

  /** Resolves when the fault is there; one that waits for its moment holds nobody up. */
  async inject(fault: Fault): Promise<void> {
    this.#write(JSON.stringify(fault));
    this.tally.planned(fault.kind);
    const doing = this.#tell(fault);
    if (fault.kind === 'kill-in-swap') this.#track(doing);
    else await doing;
  }

  /** One after the other until one of its kind is done, of kinds of which none was. */
  async injectMissing(faults: readonly Fault[]): Promise<void> {
    for (const fault of faults) {
      if (!this.tally.isMissing(fault.kind)) continue;
      this.tally.triedAgain(fault.kind);
      await this.inject(fault);
      await delay(BETWEEN_TRIES_MS);
    }
  }

  /** Nothing is broken any more. */
  async end(): Promise<void> {
    this.#over.abort();
    this.cluster.programs.heal();
    await Promise.all(this.#pending);
    this.cluster.programs.heal();
  }

  async #tell(fault: Fault): Promise<void> {
    try {
      await this.#do(fault);
      this.tally.done(fault.kind);
    } catch (error) {
      this.tally.notDone(fault.kind, error);
      this.#write(`not done: ${JSON.stringify(fault)}: ${String(error)}`);
    }
  }

  async #do(fault: Fault): Promise<void> {
    const { programs, log, disks } = this.cluster;
    switch (fault.kind) {
      case 'kill':
        programs.signal(fault.of, 'SIGKILL');
        return;
      case 'end':
        programs.signal(fault.of, 'SIGTERM');
        return;
      case 'stop':
        return this.#stop(fault.of, fault.forMs);
      case 'kill-in-swap':
        return this.#killInSwap(fault.of, fault.afterMs);
      case 'cut':
      case 'stall':
      case 'slow':
      case 'one-way':
        return this.#link(fault.kind, fault.of, fault.forMs);
      case 'slow-reader':
        for (const to of ['redis', 'redis-b']) {
          const link = this.cluster.link(`${to}@${fault.of}`);
          link.throttle(fault.bytesPerSecond);
          this.#later(fault.forMs, () => link.restore());
        }
        return;
      case 'break-off':
        this.cluster.link(fault.of).cutAfterBytes(fault.afterBytes);
        return this.#later(3_000, () => this.cluster.link(fault.of).restore());
      case 'flush':
        return this.#flush(fault.of);
      case 'lose-leader':
        return this.#loseLeader(fault.by, fault.forMs);
      case 'lose-lease':
        return log.loseLease(await this.cluster.replicaId(fault.of));
      case 'fail-over':
        return this.#failOver(fault.by, fault.forMs);
      case 'unname-shard':
        return this.#unnameShard(fault.of, fault.forMs);
      case 'kill-in-renewal':
        return this.#killInRenewal(fault.of);
      case 'lose-postgresql':
        return this.#losePostgres(fault.by, fault.forMs);
      case 'fill-host-disk':
        return this.#fillHost(fault.of, fault.forMs);
      case 'fill-control-plane-disk':
      case 'fill-etcd-disk':
      case 'fill-sentinel-disk':
        return this.#fill(disks, fault.of, fault.forMs);
      case 'fill-postgresql-disk':
        return this.#fill(this.#postgres(), fault.of, fault.forMs);
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

  /** In a swap that is not over at the moment of the kill; of others it waits for the next. */
  async #killInSwap(name: string, afterMs: number): Promise<void> {
    const { signal } = this.#over;
    const tap = this.hosts.get(name.split('@')[1] ?? '')?.tap;
    if (!tap) throw new Error(`there is no ${name}`);
    for (;;) {
      const isAtIt = await tap.nextSwap(signal);
      await delay(afterMs, undefined, { signal });
      if (isAtIt()) break;
    }
    this.cluster.programs.signal(name, 'SIGKILL');
    this.#write(`${name} was killed in a swap`);
  }

  #link(kind: 'cut' | 'stall' | 'slow' | 'one-way', name: string, forMs: number): void {
    const link = this.cluster.link(name);
    if (kind === 'cut') link.cut();
    else if (kind === 'stall') link.stall();
    else if (kind === 'one-way') link.stallAnswers();
    else link.slow(forMs / 4);
    this.#later(forMs, () => link.restore());
  }

  #stop(name: string, forMs: number): void {
    const { programs } = this.cluster;
    programs.signal(name, 'SIGSTOP');
    this.#later(forMs, () => programs.signal(name, 'SIGCONT'));
  }

  async #loseLeader(by: 'kill' | 'stop', forMs: number): Promise<void> {
    const leader = ETCD_MEMBERS[await this.cluster.log.leader()] ?? '';
    if (by === 'stop') this.#stop(leader, forMs);
    else this.cluster.programs.signal(leader, 'SIGKILL');
  }

  /** Another node becomes the master: the one of now is cut off or stands still until then, or Sentinel is asked to. */
  async #failOver(by: 'cut' | 'order' | 'stop', forMs: number): Promise<void> {
    const [master] = await this.#masters();
    if (by === 'stop') return this.#stop(master, forMs);
    if (by === 'cut') return this.#link('cut', master, forMs);
    await this.cluster.redis.sentinel((connection) =>
      connection.run('asking for a failover', (client) =>
        client.call('SENTINEL', 'FAILOVER', MASTER_NAME),
      ),
    );
  }

  /** Whichever is the master, or the one that is meant of two that hosts are split over. */
  async #flush(of: RedisServerName): Promise<void> {
    const { redis } = this.cluster;
    const isAny = of === 'redis' && redis.layout === 'replica';
    for (const name of isAny ? await this.#masters() : [of])
      await redis.at(name, (connection) =>
        connection.run('emptying Redis', (client) => client.flushall()),
      );
  }

  #unnameShard(of: readonly ControlPlaneName[], forMs: number): void {
    const { shards } = this.cluster;
    if (!shards) throw new LackingHere('hosts are not split over several Redis');
    for (const each of of) shards.leaveOut(each);
    const takeBack = async (): Promise<void> => {
      for (const each of of) shards.takeBack(each);
      await this.#restart(of);
    };
    // Nobody is held up by one that takes its time.
    this.#track(
      this.#restart(of)
        .then(() => delay(forMs))
        .then(takeBack),
    );
  }

  /** One after another. One that does not run reads its configuration when it does. */
  async #restart(of: readonly ControlPlaneName[]): Promise<void> {
    for (const each of of) await this.cluster.programs.restart(each).catch(() => undefined);
  }

  /**
   * When it is back it asks at once, with the secret that it has begun with; again where nobody answered it. One that asks
   * twice in ten minutes is refused.
   */
  async #killInRenewal(name: string): Promise<void> {
    if (this.#renewed.has(name)) throw new Error(`${name} has changed its secret already`);
    const host = this.hosts.get(name);
    await host?.beginRenewal();
    this.#renewed.add(name);
    const kill = (): void => this.cluster.programs.signal(`agent@${name}`, 'SIGKILL');
    kill();
    const again = async (): Promise<void> => {
      for (let tries = 1; tries < RENEWALS; tries += 1) {
        await delay(RENEWS_WITHIN_MS, undefined, { signal: this.#over.signal });
        if (!host?.isRenewing) return;
        kill();
      }
    };
    this.#track(again().catch(() => undefined));
  }

  /** What is started anew meanwhile finds it full too. */
  async #fillHost(node: string, forMs: number): Promise<void> {
    const { disks, history } = this.cluster;
    if (!this.hosts.get(node)?.isRunning) throw new Error(`${node} does not run`);
    history.write({ type: 'disk', node, isFull: true });
    await disks.fill(node);
    this.#later(forMs, async () => {
      await disks.empty(node);
      history.write({ type: 'disk', node, isFull: false });
    });
  }

  async #fill(disk: Pick<Disks, 'fill' | 'empty'>, of: string, forMs: number): Promise<void> {
    await disk.fill(of);
    this.#later(forMs, () => disk.empty(of));
  }

  async #losePostgres(by: 'end' | 'kill', forMs: number): Promise<void> {
    const postgres = this.#postgres();
    await postgres.lose(by);
    this.#later(forMs, () => postgres.comeBack());
  }

  #postgres(): FaultedPostgres {
    const { postgres } = this.cluster;
    if (!postgres) throw new LackingHere('alerts and audit log lie in files');
    return postgres;
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
    let spoilt = 0;
    for (const name of await this.#masters())
      await this.cluster.redis.at(name, (connection) =>
        connection.run('spoiling bundles', async (client) => {
          for (const key of await client.keys('hw:b:*')) {
            const bytes = await client.getBuffer(key);
            if (bytes === null || bytes.length === 0) continue;
            bytes[0] = (bytes[0] ?? 0) ^ 1;
            await client.set(key, bytes);
            spoilt += 1;
          }
        }),
      );
    if (spoilt === 0) throw new Error('no bundle lies in Redis');
  }

  /** At least one. */
  async #masters(): Promise<readonly [RedisNodeName, ...RedisNodeName[]]> {
    const [first, ...others] = await this.cluster.redis.masters();
    if (first === undefined) throw new Error('no Redis says that it is a master');
    return [first, ...others];
  }

  #later(ms: number, undo: () => Promise<void> | void): void {
    this.#track(
      delay(ms)
        .then(undo)
        .catch(() => undefined),
    );
  }

  #track(work: Promise<void>): void {
    this.#pending.add(work);
    void work.finally(() => this.#pending.delete(work));
  }

  #write(fault: string): void {
    this.cluster.history.write({ type: 'fault', fault });
  }
}
