import { setTimeout as sleep } from 'node:timers/promises';
import { redisKeys } from '#contracts';
import type { Redis } from 'ioredis';
import { EventLook, type EventLookOptions } from './event-look.js';
import { HostPace } from './host-pace.js';
import { parseRing } from './nudge.js';
import { readHeads } from './read-heads.js';
import { readUpTo } from './read-up-to.js';
import type { RedisConnection } from './redis.connection.js';
import { SeenStates } from './seen-states.js';
import { Subscription, type SubscriptionCounters } from './subscription.js';
import { Sweep } from './sweep.js';

const BATCH = 256;
const MAX_STATE_BYTES = 4 * 1024 * 1024;
const SWEEP_MS = 30_000;
const SWEEP_EVERY_MS = 1_000;
const GIVES_WAY_MS = 1_000;
const LOOK_MS = 5;
/** For so long rings of hosts that nobody waits for are gathered. */
const GATHER_MS = 200;
/** From one reading to the next at least, unless a whole batch waits. */
const APART_MS = 10;

/** Whom to hear and what to do with it. */
export interface StateInboxOptions extends EventLookOptions {
  /** Number of bell channels. */
  readonly shards: number;
  /** Ids of the hosts that may ring; a ring of another is counted and dropped, so the queue has a bound. */
  readonly known: () => Iterable<string>;
  /** Of these the ones that every turn of the sweep looks at. Default: none. */
  readonly closely?: () => Iterable<string>;
  readonly isKnown: (nodeId: string) => boolean;
  /**
   * A state as it is on Redis, sealed; to be opened and checked by the reader. False: it could not be made use of now,
   * and is to come again with the next sweep.
   */
  readonly onState: (nodeId: string, sealed: Buffer) => boolean;
  /** Whether somebody waits for what the host has to say; all others may be read a moment later. Default: of each. */
  readonly isAwaited?: (nodeId: string) => boolean;
  /** While it says so states are not read, for a second at most: something goes first. */
  readonly isBusy?: () => boolean;
  /**
   * All known hosts are looked at anew as often: a ring can be lost, and who has no news does not ring. Default 30,000.
   */
  readonly sweepMs?: number;
}

/** What the inbox has seen. */
export interface StateInboxCounters extends SubscriptionCounters {
  readonly states: number;
  /** Times that states were read, of however many hosts. */
  readonly readings: number;
  readonly malformed: number;
  readonly strangers: number;
  readonly oversized: number;
  readonly failedReads: number;
  /** Hosts that a sweep looked at, and of these the ones whose state was new to it. */
  readonly swept: number;
  readonly foundBySweep: number;
}

/**
 * Control-plane side: hears the hosts' bells and reads their states. After every reconnect, and a few at a time always, it
 * looks at all hosts for what no bell told: a report at rest is quiet. A state that was read before is not read again.
 */
export class StateInbox {
  private readonly subscription: Subscription;
  private readonly sweeping: NodeJS.Timeout;
  private readonly sweep: Sweep;
  private readonly events: EventLook;
  private readonly pending = new Set<string>();
  private readonly unseen = new Set<string>();
  private readonly seen = new SeenStates();
  private readonly counts = {
    ...{ states: 0, readings: 0, malformed: 0, strangers: 0, oversized: 0, failedReads: 0 },
    ...{ swept: 0, foundBySweep: 0 },
  };
  private readonly pace = new HostPace();
  private resuming: NodeJS.Timeout | undefined;
  private gathering: NodeJS.Timeout | undefined;
  private reading = false;
  private readAt = -Infinity;
  private closed = false;

  /** Takes the connection for itself: it is closed with the inbox. */
  constructor(
    private readonly connection: RedisConnection,
    private readonly options: StateInboxOptions,
  ) {
    this.events = new EventLook(options);
    this.subscription = new Subscription(connection, {
      channels: Array.from({ length: options.shards }, (_, shard) => redisKeys.bell(shard)),
      onMessage: (_, payload) => this.rung(payload),
      onSubscribed: () => this.readAll(),
      onRefused: (error) => options.onError?.(error),
    });
    const turns = Math.ceil((options.sweepMs ?? SWEEP_MS) / SWEEP_EVERY_MS);
    this.sweep = new Sweep(options.known, turns);
    this.sweeping = setInterval(() => this.turn(), SWEEP_EVERY_MS);
  }

  get counters(): StateInboxCounters {
    return { ...this.subscription.counters, ...this.counts };
  }

  /** Looks at all known hosts now; needed after Redis was emptied, or hosts were added. */
  readAll(): void {
    this.look(this.options.known());
  }

  /** Forgets a host that is gone. */
  forget(nodeId: string): void {
    this.seen.forget(nodeId);
  }

  close(): void {
    this.closed = true;
    clearInterval(this.sweeping);
    clearTimeout(this.resuming);
    clearTimeout(this.gathering);
    this.subscription.close();
    this.connection.close();
  }

  /** While nothing is heard nothing is swept: as soon as the bells are heard again, all hosts are looked at. */
  private turn(): void {
    if (!this.subscription.counters.subscribed) return;
    this.look([...this.sweep.next(), ...(this.options.closely?.() ?? [])]);
  }

  private look(nodeIds: Iterable<string>): void {
    const due = new Set(nodeIds);
    for (const nodeId of due) this.unseen.add(nodeId);
    void this.drain();
    this.events.at(due);
  }

  private rung(payload: string): void {
    const ring = parseRing(payload);
    if (ring === undefined) {
      this.counts.malformed += 1;
    } else if (!this.options.isKnown(ring.node)) {
      this.counts.strangers += 1;
    } else if (ring.what === 'events') {
      this.options.onEvents(ring.node);
    } else {
      this.pending.add(ring.node);
      this.drainSoon(ring.node);
    }
  }

  /**
   * Most of what it costs to read a state is to ask for it. In a fleet at rest many ring a second, none of them with news:
   * these are read together, a moment later.
   */
  private drainSoon(nodeId: string): void {
    if (this.options.isAwaited?.(nodeId) ?? true) return void this.drain();
    this.gathering ??= setTimeout(() => {
      this.gathering = undefined;
      void this.drain();
    }, GATHER_MS);
  }

  /** One reader at a time; what rings meanwhile is read in the next round, once, however often it rang. */
  private async drain(): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    clearTimeout(this.gathering);
    this.gathering = undefined;
    try {
      let more = true;
      while (more) {
        await this.keepApart();
        await this.giveWay();
        if (this.closed) return;
        const read = await this.readNext();
        const looked = await this.lookNext();
        more = read || looked;
      }
      this.resume();
    } catch (error) {
      this.counts.failedReads += 1;
      this.options.onError?.(error);
    } finally {
      this.reading = false;
    }
  }

  /**
   * The first host that answers a change is read at once, those of the next milliseconds together: each reading is a
   * write and an answer of its own, on both sides.
   */
  private async keepApart(): Promise<void> {
    const waitMs = this.readAt + APART_MS - performance.now();
    if (waitMs > 0 && this.pending.size < BATCH) await sleep(waitMs);
  }

  /** Reading a state costs more than writing an assignment: hosts that have theirs would hold up those that have not. */
  private async giveWay(): Promise<void> {
    const since = performance.now();
    while (this.options.isBusy?.() && !this.closed && performance.now() - since < GIVES_WAY_MS)
      await sleep(LOOK_MS);
  }

  private async readNext(): Promise<boolean> {
    const due = this.pending
      .values()
      .filter((nodeId) => this.pace.restMs(nodeId) === 0)
      .take(BATCH)
      .toArray();
    if (due.length > 0) await this.readBatch(due);
    return due.length > 0;
  }

  private async lookNext(): Promise<boolean> {
    const due = this.unseen.values().take(BATCH).toArray();
    if (due.length === 0) return false;
    const heads = await this.taking(this.unseen, due, 'looking at states', (client) =>
      readHeads(client, due.map(redisKeys.state), SeenStates.HEAD_BYTES),
    );
    const found = due.filter((nodeId, index) => !this.seen.has(nodeId, heads[index]));
    for (const nodeId of found) this.pending.add(nodeId);
    this.counts.swept += due.length;
    this.counts.foundBySweep += found.length;
    return true;
  }

  /** What is left has been read too much of late. */
  private resume(): void {
    clearTimeout(this.resuming);
    if (this.pending.size === 0 || this.closed) return;
    const rests = [...this.pending].map((nodeId) => this.pace.restMs(nodeId));
    this.resuming = setTimeout(() => void this.drain(), Math.min(...rests));
  }

  private async readBatch(nodeIds: readonly string[]): Promise<void> {
    this.readAt = performance.now();
    this.counts.readings += 1;
    const states = await this.taking(this.pending, nodeIds, 'reading states', (client) =>
      // Up to a byte more than is taken: a host may write any size, which must not become ours to hold.
      readUpTo(client, nodeIds.map(redisKeys.state), MAX_STATE_BYTES + 1),
    );
    nodeIds.forEach((nodeId, index) => this.deliver(nodeId, states[index]));
  }

  /** Taken out as the command goes, so that a ring during the reading counts, and a failure keeps them. */
  private async taking<T>(
    from: Set<string>,
    nodeIds: readonly string[],
    what: string,
    commands: (client: Redis) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.connection.run(what, (client) => {
        for (const nodeId of nodeIds) from.delete(nodeId);
        return commands(client);
      });
    } catch (error) {
      for (const nodeId of nodeIds) from.add(nodeId);
      throw error;
    }
  }

  private deliver(nodeId: string, sealed: Buffer | undefined): void {
    this.pace.took(nodeId, sealed?.length ?? 0);
    if (sealed === undefined) return;
    if (sealed.length > MAX_STATE_BYTES) {
      this.counts.oversized += 1;
      this.seen.add(nodeId, sealed);
      return;
    }
    this.counts.states += 1;
    if (this.options.onState(nodeId, sealed)) this.seen.add(nodeId, sealed);
    else this.seen.forget(nodeId);
  }
}
