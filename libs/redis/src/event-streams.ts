import { redisKeys } from '#contracts';
import { EVENT_FIELD } from './host-link.js';
import type { RedisConnection } from './redis.connection.js';

/** One sealed batch of a host's stream. */
export interface StreamEntry {
  readonly id: string;
  readonly sealed: Buffer;
}

/** Control-plane side of the hosts' event streams: read, store elsewhere, then remove. */
export class EventStreams {
  constructor(private readonly connection: RedisConnection) {}

  /** The oldest entries of a host, at most `count`; an entry without a batch comes with an empty one. */
  async read(nodeId: string, count: number): Promise<StreamEntry[]> {
    const key = redisKeys.events(nodeId);
    const entries = await this.connection.run(`reading ${key}`, (client) =>
      client.xrangeBuffer(key, '-', '+', 'COUNT', count),
    );
    return entries.map(([id, fields]) => ({ id: id.toString(), sealed: batchOf(fields) }));
  }

  /** Entries a host has waiting. */
  length(nodeId: string): Promise<number> {
    const key = redisKeys.events(nodeId);
    return this.connection.run(`measuring ${key}`, (client) => client.xlen(key));
  }

  /** Removes entries that the store has. */
  async remove(nodeId: string, ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const key = redisKeys.events(nodeId);
    await this.connection.run(`trimming ${key}`, (client) => client.xdel(key, ...ids));
  }

  /** Tells the host, sealed, up to where its events are stored. */
  async writeCursor(nodeId: string, sealed: Uint8Array): Promise<void> {
    const key = redisKeys.cursor(nodeId);
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
    await this.connection.run(`writing ${key}`, (client) => client.set(key, bytes));
  }
}

function batchOf(fields: readonly Buffer[]): Buffer {
  const name = fields.findIndex((field, i) => i % 2 === 0 && field.toString() === EVENT_FIELD);
  return (name >= 0 ? fields[name + 1] : undefined) ?? Buffer.alloc(0);
}
