import { type DeliveryRecord, redisKeys, type Ring } from '#contracts';
import type { Redis } from 'ioredis';
import { createHash } from 'node:crypto';
import { MalformedValue } from './errors.js';
import { encodeRing, parseDeliveryRecord } from './nudge.js';
import type { RedisConnection } from './redis.connection.js';

const MAX_RECORD_CHARS = 1024 * 1024;
const MAX_BUNDLE_BYTES = 64 * 1024 * 1024;
/**
 * Batches that a host may have on Redis: it has one of each kind under way, and repeats them while nobody takes them.
 * What is trimmed is a repetition, or still in its spool and comes again.
 */
const MAX_STREAM_ENTRIES = 8;
/** In a large fleet; Redis closes a connection that says nothing for 60 s. */
const EVENTS_BEAT_MS = 45_000;
/** All hosts ring one bell in this version; their permissions name it too. */
export const BELL_SHARD = 0;
/** Field of a stream entry that holds the batch; EventStreams reads it. */
export const EVENT_FIELD = 'b';

/** What goes with a state. */
export interface StateWrite {
  /** Sealed, where it is another one than lies there. */
  readonly signedStatus?: Uint8Array;
  /** Nothing in it is news: it may wait for the control plane's next look, half a minute. */
  readonly isQuiet?: boolean;
}

/** Agent side: everything a host reads and writes on Redis, all of it its own or encrypted. */
export class HostLink {
  constructor(
    private readonly connection: RedisConnection,
    private readonly nodeId: string,
    /** To the Redis that takes events, where that is another one. */
    private readonly events: RedisConnection = connection,
  ) {}

  /**
   * How long a host that is cut off waits at most until it tries again, and how often it makes sure that it is not, from
   * now on: the more hosts, the longer. On a connection for events alone nothing is heard that it could miss.
   */
  slowTo(ms: number): void {
    this.connection.slowTo(ms);
    if (this.events !== this.connection) this.events.slowTo(ms, EVENTS_BEAT_MS);
  }

  /** The newest assignment, or undefined if there is none (yet, or after Redis was emptied). */
  async fetchRecord(): Promise<DeliveryRecord | undefined> {
    const key = redisKeys.assignment(this.nodeId);
    const payload = await this.connection.run(`reading ${key}`, (client) => client.get(key));
    if (payload === null) return undefined;
    if (payload.length > MAX_RECORD_CHARS) throw new MalformedValue(key, 'it is too large');
    return parseDeliveryRecord(this.nodeId, payload);
  }

  /** The bundle of this digest, checked against it, or undefined if it is not there. */
  async fetchBundle(digest: string): Promise<Buffer | undefined> {
    const key = redisKeys.bundle(digest);
    const bytes = await this.connection.run(`reading ${key}`, (client) => client.getBuffer(key));
    if (bytes === null) return undefined;
    if (bytes.length > MAX_BUNDLE_BYTES) throw new MalformedValue(key, 'it is too large');
    if (createHash('sha256').update(bytes).digest('hex') === digest) return bytes;
    throw new MalformedValue(key, 'its content is not what its name says');
  }

  /**
   * Replaces the host's state, its signed status where there is another one, and rings unless it is to be quiet, in one round
   * trip; Redis does all in this order. Ringing twice, or for a state that was not written, does no harm, so the whole may
   * be repeated. Whether a signed status lies there now: Redis may have lost the one before.
   */
  async writeState(
    sealed: Uint8Array,
    { signedStatus, isQuiet = false }: StateWrite = {},
  ): Promise<boolean> {
    const key = redisKeys.state(this.nodeId);
    const beside = redisKeys.signedStatus(this.nodeId);
    const write = async (client: Redis): Promise<boolean> => {
      // In one piece: each write of its own would be a record of TLS, and wake Redis up once more.
      const all = client.pipeline();
      if (signedStatus === undefined) all.exists(beside);
      else all.set(beside, toBuffer(signedStatus));
      all.set(key, toBuffer(sealed));
      if (!isQuiet) all.publish(redisKeys.bell(BELL_SHARD), this.ringing('state'));
      const answers = (await all.exec()) ?? [];
      for (const [error] of answers) if (error) throw error;
      this.connection.wrote();
      return answers[0]?.[1] !== 0;
    };
    const bytes = sealed.length + (signedStatus?.length ?? 0);
    return this.connection.run(`writing ${key}`, write, bytes);
  }

  /** Appends one sealed batch to the host's own stream and rings; at least once, the batch carries its ids. */
  async appendEvents(sealed: Uint8Array): Promise<string> {
    const key = redisKeys.events(this.nodeId);
    const id = await this.events.run(
      `appending to ${key}`,
      (client) =>
        client.xadd(key, 'MAXLEN', MAX_STREAM_ENTRIES, '*', EVENT_FIELD, toBuffer(sealed)),
      sealed.length,
    );
    await this.ring('events');
    return id ?? '';
  }

  /** The sealed cursor up to which the control plane has stored, or undefined. */
  async readCursor(): Promise<Buffer | undefined> {
    const key = redisKeys.cursor(this.nodeId);
    const bytes = await this.events.run(`reading ${key}`, (client) => client.getBuffer(key));
    return bytes ?? undefined;
  }

  /** Tells the control plane that there is news; a ring that is lost is made good by its sweep. */
  async ring(what: Ring['what']): Promise<void> {
    const channel = redisKeys.bell(BELL_SHARD);
    await this.connection.run(`ringing ${channel}`, (client) =>
      client.publish(channel, this.ringing(what)),
    );
  }

  private ringing(what: Ring['what']): string {
    return encodeRing({ node: this.nodeId, what });
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
