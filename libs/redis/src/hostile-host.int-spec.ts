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
import { SignedStatusReader } from './signed-status-reader.js';
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
    const shown: string[] = [];
    let most = 0;
    for (let read = 0; read < 20; read += 1) {
      const entries = await streams.read(A, 50);
      if (entries.length === 0) break;
      most = Math.max(most, entries.length);
      shown.push(...entries.map(({ id, sealed }) => `${id} ${sealed.length}`));
      await streams.remove(
        A,
        entries.map(({ id }) => id),
      );
    }
    expect(shown.slice(0, 4)).toEqual(['1-1 5', '1-2 0', '1-3 0', `1-4 ${MIB}`]);
    expect([shown.length, most]).toEqual([13, 2]);
    expect(streams.restMs(A)).toBeGreaterThan(5_000);
    expect(streams.restMs(B)).toBe(0);
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
      onState: (_, sealed) => states.push(sealed.toString()) > 0,
      onEvents: () => undefined,
      haveEvents: () => Promise.resolve([]),
    });
    open.push(inbox);
    await eventually('read', () => states.includes('good') && inbox.counters.oversized > 0);
    expect(states.every((state) => state === 'good')).toBe(true);
  });
});

async function fill(nodeId: string, mebibytes: number): Promise<void> {
  for (let i = 0; i < mebibytes; i += 1)
    await raw.xadd(redisKeys.events(nodeId), '*', 'b', 'x'.repeat(MIB));
}

describe('the signed status of a host', () => {
  it('of any size or kind keeps no other from being read', async () => {
    const list = sha256('list');
    await raw.set(redisKeys.signedStatus(A), 'x'.repeat(6 * MIB));
    await raw.lpush(redisKeys.signedStatus(list), 'x');
    await new HostLink(connect(), B).writeState(Buffer.from('s'), {
      signedStatus: Buffer.from('good'),
    });
    const many = Array.from({ length: 100 }, (_, index) => sha256(`none ${index}`));
    const found = await new SignedStatusReader(connect()).read([...many, A, list, B]);
    expect([...found].map(([nodeId, sealed]) => [nodeId, sealed.toString()])).toEqual([
      [B, 'good'],
    ]);
  });
});

describe('the state of a host that rings without end', () => {
  it('is read as fast as its size allows, that of another at each ring', async () => {
    await raw.set(redisKeys.state(A), 'x'.repeat(3 * MIB));
    const read = { [A]: 0, [B]: 0 };
    const inbox = new StateInbox(connect(), {
      shards: 1,
      known: () => [],
      isKnown: () => true,
      onState: (nodeId) => (read[nodeId] = (read[nodeId] ?? 0) + 1) > 0,
      onEvents: () => undefined,
      haveEvents: () => Promise.resolve([]),
    });
    open.push(inbox);
    const [flooding, honest] = [new HostLink(connect(), A), new HostLink(connect(), B)];
    await eventually('it listens', async () => {
      await flooding.ring('state');
      return (read[A] ?? 0) > 0;
    });
    const started = performance.now();
    for (let ring = 1; ring <= 20; ring += 1) {
      await Promise.all(Array.from({ length: 50 }, () => flooding.ring('state')));
      await honest.writeState(Buffer.from(`state ${ring}`));
      await eventually('read', () => (read[B] ?? 0) >= ring);
    }
    await eventually('read once more', () => (read[A] ?? 0) >= 2);
    // 3 MiB were read, of which two are owed at 1 MiB a second.
    expect(performance.now() - started).toBeGreaterThan(1_500);
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

  it('names the host whose state and signed status are larger than both may be', async () => {
    await raw.set(redisKeys.state(A), 'x'.repeat(4 * MIB));
    await raw.set(redisKeys.signedStatus(A), 'x'.repeat(3 * MIB));
    await raw.set(redisKeys.state(B), 'x'.repeat(4 * MIB));
    await raw.set(redisKeys.signedStatus(B), 'x'.repeat(1.5 * MIB));
    watch();
    await eventually('found', () => offences.length > 0);
    expect(new Set(offences.map(({ nodeId }) => nodeId))).toEqual(new Set([A]));
  });

  it('names the host whose stream is large and stays so, and spares one that shrinks', async () => {
    await fill(A, 70);
    await fill(B, 90);
    watch();
    await eventually('found', async () => {
      const [oldest] = await raw.xrange(redisKeys.events(B), '-', '+', 'COUNT', 1);
      await raw.xdel(redisKeys.events(B), oldest?.[0] ?? '');
      await new Promise((resolve) => setTimeout(resolve, 200));
      return offences.length > 0;
    });
    expect(new Set(offences.map(({ nodeId }) => nodeId))).toEqual(new Set([A]));
  });

  it('names the host that floods its stream before it has three times what is taken, however rarely it looks closer', async () => {
    const looking = watch({ everyMs: 600_000, closerMs: 600_000 });
    await looking.look();
    let written = 0;
    for (; offences.length === 0 && written < 400; written += 8) {
      await fill(A, 8);
      await looking.look();
    }
    expect(offences[0]).toEqual({ nodeId: A, reason: expect.stringContaining('its event stream') });
    expect(written).toBeLessThan(3 * 64);
  });
});
