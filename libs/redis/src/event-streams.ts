import { redisKeys } from '#contracts';
import { MalformedValue } from './errors.js';
import { EVENT_FIELD } from './host-link.js';
import { READ_STREAM, TRIM_STREAM } from './read-stream.js';
import type { RedisConnection } from './redis.connection.js';

/** What one read may bring; a batch has 1 MiB at most, and its seal a little more. */
const MAX_READ_BYTES = 4 * 1024 * 1024;
const MAX_ENTRY_BYTES = 1024 * 1024 + 1024;

/** One sealed batch of a host's stream. */
export interface StreamEntry {
  readonly id: string;
  readonly sealed: Buffer;
}

/** Control-plane side of the hosts' event streams: read, store elsewhere, then remove. */
export class EventStreams {
  constructor(private readonly connection: RedisConnection) {}

  /**
   * The oldest entries of a host, at most `count` and 4 MiB; an entry that is too large for a batch, or without one,
   * comes with an empty one.
   */
  async read(nodeId: string, count: number): Promise<StreamEntry[]> {
    const key = redisKeys.events(nodeId);
    const bounds = [count, MAX_READ_BYTES, MAX_ENTRY_BYTES].map(String);
    const answer = await this.connection.run(`reading ${key}`, (client) =>
      client.callBuffer('EVAL', READ_STREAM, '1', key, ...bounds, EVENT_FIELD),
    );
    if (!Array.isArray(answer) || !answer.every((part) => Buffer.isBuffer(part)))
      throw new MalformedValue(key, 'the answer is no list');
    return entriesOf(answer);
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
