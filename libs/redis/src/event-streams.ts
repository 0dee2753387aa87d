import { redisKeys } from '#contracts';
import { MalformedValue, RedisUnavailable } from './errors.js';
import { EVENT_FIELD } from './host-link.js';
import { HostPace } from './host-pace.js';
import { READ_STREAM, TRIM_STREAM } from './read-stream.js';
import type { RedisConnection } from './redis.connection.js';

/** A batch has 1 MiB at most, and its seal a little more. */
const MAX_ENTRY_BYTES = 1024 * 1024 + 1024;
/** What one read may look at: memory that comes and goes by the MiB costs the time of all others. */
const MAX_READ_BYTES = MAX_ENTRY_BYTES;

/** One sealed batch of a host's stream. */
export interface StreamEntry {
  readonly id: string;
  readonly sealed: Buffer;
}

/** Control-plane side of the hosts' event streams: read, store elsewhere, then remove. */
export class EventStreams {
  readonly #pace = new HostPace();

  constructor(private readonly connection: RedisConnection) {}

  /** Milliseconds until more of this host should be read; 0: now. */
  restMs(nodeId: string): number {
    return this.#pace.restMs(nodeId);
  }

  /**
   * The oldest entries of a host, those that come after `after` alone where it is given: at most `count` and 1 MiB, or a
   * single larger one; an entry that is too large for a batch, or without one, comes with an empty one.
   */
  async read(nodeId: string, count: number, after = ''): Promise<StreamEntry[]> {
    const key = redisKeys.events(nodeId);
    const bounds = [count, MAX_READ_BYTES, MAX_ENTRY_BYTES].map(String);
    const answer = await this.connection.run(`reading ${key}`, (client) =>
      client.callBuffer('EVAL', READ_STREAM, '1', key, ...bounds, EVENT_FIELD, after),
    );
    if (!Array.isArray(answer) || !answer.every((part) => Buffer.isBuffer(part)))
      throw new MalformedValue(key, 'the answer is no list');
    const entries = entriesOf(answer);
    this.#pace.took(nodeId, bytesOf(entries), Math.max(1, entries.length));
    return entries;
  }

  /** Of these hosts, those that have entries waiting: mostly none, which one question for all of them tells. */
  async holding(nodeIds: readonly string[]): Promise<readonly string[]> {
    const keys = nodeIds.map(redisKeys.events);
    const what = 'looking for events';
    if (keys.length === 0) return [];
    const count = await this.connection.run(what, (client) => client.exists(...keys));
    if (count === 0) return [];
    const answers = await this.connection.run(what, (client) => {
      const pipeline = client.pipeline();
      for (const key of keys) pipeline.exists(key);
      return pipeline.exec();
    });
    if (answers?.length !== nodeIds.length) throw new RedisUnavailable(what);
    const failed = answers.find(([error]) => error)?.[0];
    if (failed) throw failed;
    return nodeIds.filter((_, index) => answers[index]?.[1] === 1);
  }

  /** Entries a host has waiting. */
  length(nodeId: string): Promise<number> {
    const key = redisKeys.events(nodeId);
    return this.connection.run(`measuring ${key}`, (client) => client.xlen(key));
  }

  /** Removes entries that the store has, and the stream itself with its last one. */
  async remove(nodeId: string, ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const key = redisKeys.events(nodeId);
    await this.connection.run(`trimming ${key}`, (client) =>
      client.eval(TRIM_STREAM, 1, key, ...ids),
    );
  }

  /** Removes all events that a host has sent, unread. */
  async discard(nodeId: string): Promise<void> {
    const key = redisKeys.events(nodeId);
    await this.connection.run(`removing ${key}`, (client) => client.unlink(key));
  }

  /** Tells the host, sealed, up to where its events are stored. */
  async writeCursor(nodeId: string, sealed: Uint8Array): Promise<void> {
    const key = redisKeys.cursor(nodeId);
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    await this.connection.run(`writing ${key}`, (client) => client.set(key, bytes));
  }
}

function entriesOf(answer: readonly Buffer[]): StreamEntry[] {
  const entries: StreamEntry[] = [];
  for (let i = 0; i + 1 < answer.length; i += 2) {
    const [id, sealed] = [answer[i], answer[i + 1]];
    if (id && sealed) entries.push({ id: id.toString(), sealed });
  }
  return entries;
}

/** What they cost: one that comes empty was looked at by Redis nevertheless. */
function bytesOf(entries: readonly StreamEntry[]): number {
  return entries.reduce((sum, { sealed }) => sum + (sealed.length || MAX_ENTRY_BYTES), 0);
}
