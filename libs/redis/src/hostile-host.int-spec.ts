import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { redisKeys } from '#contracts';
import { type RedisServer, startRedis } from '#testing';
import { createHash } from 'node:crypto';
import { Redis } from 'ioredis';
import { EventStreams } from './event-streams.js';
import { HostLink } from './host-link.js';
import { nodeUserName, nodeUserRules } from './node-user.js';
import { type HostOffence, OffenceWatch, type OffenceWatchOptions } from './offence-watch.js';
import { connectRedis, type RedisConnection } from './redis.connection.js';
import { StateInbox } from './state-inbox.js';
import { eventually } from './testing/eventually.js';

const MIB = 1024 * 1024;
const GREATEST_ID = '18446744073709551615-18446744073709551615';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const [A, B] = [sha256('a'), sha256('b')];

let server: RedisServer;
let raw: Redis;
const open: { close(): unknown }[] = [];

function connect(username?: string, password?: string): RedisConnection {
  const connection = connectRedis({ port: server.port, username, password, maxBackoffMs: 100 });
  open.push(connection);
  return connection;
}

beforeAll(async () => {
  server = await startRedis();
});
beforeEach(async () => {
  raw = new Redis({ port: server.port });
  await raw.flushall();
  for (const nodeId of [A, B]) {
    const rules = nodeUserRules({ nodeId, secretHashes: [sha256(nodeId)] });
    await raw.acl('SETUSER', nodeUserName(nodeId), ...rules);
  }
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
  raw.disconnect();
});
afterAll(() => server.stop());

describe('the stream of a host', () => {
  it('takes events again after it was driven to the greatest id, once it was read', async () => {
    const streams = new EventStreams(connect());
    await raw.xadd(redisKeys.events(A), GREATEST_ID, 'b', 'x');
    await expect(raw.xadd(redisKeys.events(A), '*', 'b', 'y')).rejects.toThrow(/exhausted/);
    const entries = await streams.read(A, 50);
    expect(entries).toEqual([{ id: GREATEST_ID, sealed: Buffer.from('x') }]);
    await streams.remove(A, [GREATEST_ID]);
    await new HostLink(connect(), A).appendEvents(Buffer.from('y'));
    expect((await streams.read(A, 50)).map(({ sealed }) => sealed.toString())).toEqual(['y']);
  });

  it('is read in bounded pieces, oldest first, and what is no batch comes empty', async () => {
    const streams = new EventStreams(connect());
    const key = redisKeys.events(A);
    await raw.xadd(key, '1-1', 'other', 'x'.repeat(3 * MIB), 'b', 'first');
    await raw.xadd(key, '1-2', 'b', 'x'.repeat(2 * MIB));
    await raw.xadd(key, '1-3', 'other', 'x');
    for (let i = 4; i < 14; i += 1) await raw.xadd(key, `1-${i}`, 'b', 'y'.repeat(MIB));
    const entries = await streams.read(A, 50);
    const shown = entries.map(({ id, sealed }) => `${id} ${sealed.length}`);
    expect(shown.slice(0, 4)).toEqual(['1-1 5', '1-2 0', '1-3 0', `1-4 ${MIB}`]);
    expect(entries.length).toBeLessThan(8);
    expect((await streams.read(A, 2)).map(({ id }) => id)).toEqual(['1-1', '1-2']);
  });

  it('keeps what came while its oldest entries were removed', async () => {
    const streams = new EventStreams(connect());
    const link = new HostLink(connect(), A);
    const id = await link.appendEvents(Buffer.from('one'));
    await link.appendEvents(Buffer.from('two'));
    await streams.remove(A, [id]);
    expect((await streams.read(A, 50)).map(({ sealed }) => sealed.toString())).toEqual(['two']);
  });
});

describe('the state of a host', () => {
  it('of any size or kind keeps no other from being read', async () => {
    await raw.set(redisKeys.state(A), 'x'.repeat(6 * MIB));
    await raw.lpush(redisKeys.state(sha256('list')), 'x');
    await raw.set(redisKeys.state(B), 'good');
    const known = [A, sha256('list'), B];
    const states: string[] = [];
    const inbox = new StateInbox(connect(), {
      shards: 1,
      known: () => known,
      isKnown: (nodeId) => known.includes(nodeId),
      onState: (_, sealed) => states.push(sealed.toString()),
      onEvents: () => undefined,
    });
    open.push(inbox);
    await eventually('read', () => states.includes('good') && inbox.counters.oversized > 0);
    expect(states.every((state) => state === 'good')).toBe(true);
  });
});

describe('the watch for offences', () => {
  const offences: HostOffence[] = [];

  function watch(more: Partial<OffenceWatchOptions> = {}): OffenceWatch {
    offences.length = 0;
    const options = { known: () => [A, B], onOffence: (each: HostOffence) => offences.push(each) };
    const made = new OffenceWatch(connect(), { ...options, everyMs: 50, closerMs: 50, ...more });
    open.push(made);
    return made;
  }

  it('names the host that holds many connections, and no other', async () => {
    watch();
    const ordinary = Array.from({ length: 3 }, () => connect(nodeUserName(B), B));
    Array.from({ length: 40 }, () => connect(nodeUserName(A), A));
    await eventually('found', () => offences.length > 0);
    expect(ordinary.every(({ counters }) => counters.disconnects === 0)).toBe(true);
    expect(new Set(offences.map(({ nodeId }) => nodeId))).toEqual(new Set([A]));
    expect(offences[0]?.reason).toMatch(/made \d+ connections/);
  });

  it('names the host that logs in and leaves again and again, and no other', async () => {
    watch({ everyMs: 100, closerMs: 600_000 });
    const ordinary = Array.from({ length: 3 }, () => connect(nodeUserName(B), B));
    let stopped = false;
    const comeAndGo = async (): Promise<void> => {
      while (!stopped) {
        const guest = connectRedis({ port: server.port, username: nodeUserName(A), password: A });
        await guest.run('a ping', (client) => client.ping());
        guest.close();
      }
    };
    // Fewer at a time than a host may hold.
    const guests = Array.from({ length: 8 }, comeAndGo);
    await eventually('found', () => offences.length > 0);
    stopped = true;
    await Promise.all(guests);
    expect(ordinary.every(({ counters }) => counters.disconnects === 0)).toBe(true);
    expect(new Set(offences.map(({ nodeId }) => nodeId))).toEqual(new Set([A]));
  });

  it('names the host that wrote too much, and spares a stream that shrinks', async () => {
    for (let i = 0; i < 70; i += 1) {
      await raw.xadd(redisKeys.events(A), '*', 'b', 'x'.repeat(MIB));
      await raw.xadd(redisKeys.events(B), '*', 'b', 'x'.repeat(MIB));
    }
    const looking = watch({ everyMs: 600_000, closerMs: 0 });
    await eventually('both were found', async () => {
      await looking.look();
      return offences.length === 2;
    });
    offences.length = 0;
    const [oldest] = await raw.xrange(redisKeys.events(B), '-', '+', 'COUNT', 1);
    await raw.xdel(redisKeys.events(B), oldest?.[0] ?? '');
    await looking.look();
    expect(offences.map(({ nodeId }) => nodeId)).toEqual([A]);
  });
});
