import { redisKeys } from '#contracts';
import type { Redis } from 'ioredis';
import { RedisUnavailable } from './errors.js';
import { HostPace } from './host-pace.js';
import { parseRing } from './nudge.js';
import type { RedisConnection } from './redis.connection.js';
import { Subscription, type SubscriptionCounters } from './subscription.js';

const BATCH = 256;
const MAX_STATE_BYTES = 4 * 1024 * 1024;

/** Whom to hear and what to do with it. */
export interface StateInboxOptions {
  /** Number of bell channels. */
  readonly shards: number;
  /** Ids of the hosts that may ring; a ring of another is counted and dropped, so the queue has a bound. */
  readonly known: () => Iterable<string>;
  readonly isKnown: (nodeId: string) => boolean;
  /** A state as it is on Redis, sealed; to be opened and checked by the reader. Called again for the same state. */
  readonly onState: (nodeId: string, sealed: Buffer) => void;
  /** The host's event stream has news. */
  readonly onEvents: (nodeId: string) => void;
  readonly onError?: (error: unknown) => void;
  /** All known states are read anew as often, since a ring can be lost; default 30,000. */
  readonly sweepMs?: number;
}

/** What the inbox has seen. */
export interface StateInboxCounters extends SubscriptionCounters {
  readonly states: number;
  readonly malformed: number;
  readonly strangers: number;
  readonly oversized: number;
  readonly failedReads: number;
}

/** Control-plane side: hears the hosts' bells and reads their states; after every reconnect it reads them all. */
export class StateInbox {
  private readonly subscription: Subscription;
  private readonly sweeping: NodeJS.Timeout;
  private readonly pending = new Set<string>();
  private readonly counts = { states: 0, malformed: 0, strangers: 0, oversized: 0, failedReads: 0 };
  private readonly pace = new HostPace();
  private resuming: NodeJS.Timeout | undefined;
  private reading = false;
  private closed = false;

  /** Takes the connection for itself: it is closed with the inbox. */
  constructor(
    private readonly connection: RedisConnection,
    private readonly options: StateInboxOptions,
  ) {
    this.subscription = new Subscription(connection, {
      channels: Array.from({ length: options.shards }, (_, shard) => redisKeys.bell(shard)),
      onMessage: (_, payload) => this.rung(payload),
      onSubscribed: () => this.readAll(),
      onRefused: (error) => options.onError?.(error),
    });
    this.sweeping = setInterval(() => this.readAll(), options.sweepMs ?? 30_000);
  }

  get counters(): StateInboxCounters {
    return { ...this.subscription.counters, ...this.counts };
  }

  /** Reads every known state and asks for every stream; needed after Redis was emptied, or hosts were added. */
  readAll(): void {
    for (const nodeId of this.options.known()) {
      this.pending.add(nodeId);
      this.options.onEvents(nodeId);
    }
    void this.drain();
  }

  close(): void {
    this.closed = true;
    clearInterval(this.sweeping);
    clearTimeout(this.resuming);
    this.subscription.close();
    this.connection.close();
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
      void this.drain();
    }
  }

  /** One reader at a time; what rings meanwhile is read in the next round, once, however often it rang. */
  private async drain(): Promise<void> {
    if (this.reading) return;
    this.reading = true;
    try {
      for (let due = this.due(); due.length > 0 && !this.closed; due = this.due())
        await this.readBatch(due);
      this.resume();
    } catch (error) {
      this.counts.failedReads += 1;
      this.options.onError?.(error);
    } finally {
      this.reading = false;
    }
  }

  private due(): readonly string[] {
    return this.pending
      .values()
      .filter((nodeId) => this.pace.restMs(nodeId) === 0)
      .take(BATCH)
      .toArray();
  }

  /** What is left has been read too much of late. */
  private resume(): void {
    clearTimeout(this.resuming);
    if (this.pending.size === 0 || this.closed) return;
    const rests = [...this.pending].map((nodeId) => this.pace.restMs(nodeId));
    this.resuming = setTimeout(() => void this.drain(), Math.min(...rests));
  }

  private async readBatch(nodeIds: readonly string[]): Promise<void> {
    const states = await this.connection
      .run('reading states', (client) => {
        // Taken out as the command goes, so that a ring during the reading counts, and a failure keeps them.
        for (const nodeId of nodeIds) this.pending.delete(nodeId);
        return readBounded(client, nodeIds);
      })
      .catch((error: unknown) => {
        for (const nodeId of nodeIds) this.pending.add(nodeId);
        throw error;
      });
    nodeIds.forEach((nodeId, index) => this.deliver(nodeId, states[index]));
  }

  private deliver(nodeId: string, sealed: Buffer | undefined): void {
    this.pace.took(nodeId, sealed?.length ?? 0);
    if (sealed === undefined) return;
    if (sealed.length > MAX_STATE_BYTES) {
      this.counts.oversized += 1;
      return;
    }
    this.counts.states += 1;
    this.options.onState(nodeId, sealed);
  }
}

/** States up to a byte more than is taken: a host may write any size, which must not become ours to hold. */
async function readBounded(
  client: Redis,
  nodeIds: readonly string[],
): Promise<(Buffer | undefined)[]> {
  const pipeline = client.pipeline();
  for (const nodeId of nodeIds)
    pipeline.getrangeBuffer(redisKeys.state(nodeId), 0, MAX_STATE_BYTES);
  const answers = await pipeline.exec();
  if (!answers || answers.length !== nodeIds.length) throw new RedisUnavailable('reading states');
  // Redis answers what is no string with an error of its own: it is no state, and no reason to try again.
  const failed = answers.find(([error]) => error && error.name !== 'ReplyError')?.[0];
  if (failed) throw failed;
  return answers.map(([, value]) =>
    Buffer.isBuffer(value) && value.length > 0 ? value : undefined,
  );
}
