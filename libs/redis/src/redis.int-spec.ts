import { describe, expect, it } from '@jest/globals';
import { type DeliveryRecord, type Nudge, redisKeys } from '#contracts';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type Delivery, DeliveryWriter } from './delivery-writer.js';
import { MalformedValue, RedisUnavailable } from './errors.js';
import { EventStreams } from './event-streams.js';
import { HostLink } from './host-link.js';
import { HostwardRedisTransport } from './hostward-redis.transport.js';
import { type RedisRunChange, RunWatcher } from './run-watcher.js';
import { eventually, listen } from './testing/eventually.js';
import { COMMAND_MS, connect, link, open, raw, server, useOneRedis } from './fixtures/one-redis.js';

const NODE = 'a1';

function record(epoch: string, generation: string, issuedAt = 1, digest = 'd'): DeliveryRecord {
  const proof = { index: 0, size: 1, path: [] };
  const assignmentVersion = { epoch, generation, issuedAt };
  const sealed = { sealedChannelKey: 'k', leaf: 'l', proof, root: {}, commit: {} };
  return { v: 1, assignmentVersion, bundleDigest: digest, ...sealed };
}

function delivery(nodeId: string, of: DeliveryRecord): Delivery {
  return { nodeId, record: of };
}

useOneRedis();

describe('libs/redis on one real Redis', () => {
  describe('the delivery writer', () => {
    it('writes only what is greater by (epoch, generation, issuedAt)', async () => {
      const writer = new DeliveryWriter(connect());
      const write = (of: DeliveryRecord) => writer.write(NODE, of);
      expect(await write(record('1', '9'))).toBe('written');
      expect(await write(record('1', '10'))).toBe('written');
      expect(await write(record('1', '9', 99))).toBe('stale');
      expect(await write(record('1', '10', 2))).toBe('written');
      expect(await write(record('1', '10', 2))).toBe('stale');
      expect(await write(record('1', '10', 2, 'other'))).toBe('conflict');
      expect(await write(record('0', '999'))).toBe('stale');
      expect(await write(record('2', '1'))).toBe('written');
      expect(writer.counters).toMatchObject({ written: 4, stale: 3, conflict: 1 });
    });

    it('writes over no other bundle from the generation on that it is told', async () => {
      const writer = new DeliveryWriter(connect());
      const write = async (of: DeliveryRecord, since: bigint) =>
        (await writer.writeMany([{ ...delivery(NODE, of), since }]))[0];
      expect(await write(record('1', '10', 1, 'one'), 10n)).toBe('written');
      expect(await write(record('1', '10', 2, 'other'), 10n)).toBe('conflict');
      expect(await write(record('1', '12', 1, 'other'), 9n)).toBe('conflict');
      expect(await write(record('1', '9', 1, 'other'), 9n)).toBe('stale');
      expect(await write(record('1', '12', 1, 'one'), 9n)).toBe('written');
      expect(await write(record('1', '12', 2, 'other'), 13n)).toBe('written');
      expect(await write(record('2', '1', 1, 'one'), 1n)).toBe('written');
    });

    it('tells numbers of more than 53 bits apart', async () => {
      const writer = new DeliveryWriter(connect());
      const write = (generation: string) =>
        writer.writeMany([delivery(NODE, record('1', generation))]);
      expect(await write('9223372036854775806')).toEqual(['written']);
      expect(await write('9223372036854775805')).toEqual(['stale']);
      expect(await write('9223372036854775807')).toEqual(['written']);
      expect(await write('99999999999999999999')).toEqual(['written']);
    });

    it('applies nothing of a stale writer among 2,000 hosts', async () => {
      const writer = new DeliveryWriter(connect());
      const all = (generation: string, digest: string): Delivery[] =>
        Array.from({ length: 2_000 }, (_, i) =>
          delivery(`n${i}`, record('1', generation, 1, digest)),
        );
      await writer.writeMany(all('20', 'new'));
      const outcomes = await new DeliveryWriter(connect()).writeMany(all('19', 'old'));
      expect(new Set(outcomes)).toEqual(new Set(['stale']));
      expect(await raw.get(redisKeys.assignment('n1999'))).toContain('"new"');
    });

    it('loads its script again after SCRIPT FLUSH, in the middle of a batch too', async () => {
      const writer = new DeliveryWriter(connect());
      await raw.script('FLUSH');
      await writer.write(NODE, record('1', '1'));
      await raw.script('FLUSH');
      const batch = Array.from({ length: 600 }, (_, i) => delivery(`n${i}`, record('1', '1')));
      expect(await writer.writeMany(batch)).toHaveLength(600);
      expect(writer.counters).toMatchObject({ written: 601, scriptLoads: 2 });
    });

    it('replaces a value that is no record', async () => {
      const writer = new DeliveryWriter(connect());
      for (const junk of [
        '',
        '{',
        '[]',
        '7',
        '{"assignmentVersion":7}',
        '{"assignmentVersion":{}}',
      ]) {
        await raw.set(redisKeys.assignment(NODE), junk);
        const of = record('1', '1');
        expect(await writer.write(NODE, of)).toBe('written');
      }
    });

    it('compares with a record whichever of its fields comes first', async () => {
      const writer = new DeliveryWriter(connect());
      const { assignmentVersion, ...others } = record('1', '10');
      const turned = {
        ...others,
        assignmentVersion: { generation: '10', issuedAt: 1, epoch: '1' },
      };
      for (const there of [record('1', '10'), { assignmentVersion, ...others }, turned]) {
        await raw.set(redisKeys.assignment(NODE), JSON.stringify(there));
        expect(await writer.write(NODE, record('1', '9'))).toBe('stale');
        expect(await writer.write(NODE, record('1', '10', 1, 'other'))).toBe('conflict');
        expect(await writer.write(NODE, record('1', '11'))).toBe('written');
      }
    });

    it('nudges with record and bundle where they are small, else without, down to the assignment version alone', async () => {
      const seen: unknown[] = [];
      const nudges = new HostwardRedisTransport({
        ...{ port: server.port, shared: connect() },
        channels: { nudge: redisKeys.nudge(NODE) },
      });
      nudges.addHandler('nudge', (data) => Promise.resolve(void seen.push(data)), true);
      await listen(nudges);
      const writer = new DeliveryWriter(connect());
      const [small, large] = [record('1', '1'), { ...record('1', '2'), leaf: 'l'.repeat(16_384) }];
      const [beside, other] = [record('1', '3'), record('1', '4')];
      await writer.write(NODE, small);
      await writer.write(NODE, large);
      await writer.writeMany([
        { nodeId: NODE, record: beside, bundle: Buffer.from('ciphertext') },
        { nodeId: NODE, record: other, bundle: Buffer.alloc(12_288) },
      ]);
      await eventually('all', () => seen.length === 4);
      expect(seen).toEqual([
        { assignmentVersion: small.assignmentVersion, record: small },
        { assignmentVersion: large.assignmentVersion },
        { assignmentVersion: beside.assignmentVersion, record: beside, bundle: 'Y2lwaGVydGV4dA==' },
        { assignmentVersion: other.assignmentVersion, record: other },
      ]);
      await nudges.close();
    });

    it('refuses an assignment version that is not decimal', async () => {
      const writer = new DeliveryWriter(connect());
      const of = record('01', '1');
      await expect(writer.write(NODE, of)).rejects.toThrow(TypeError);
    });
  });

  describe('a host', () => {
    it('fetches its record and its bundle, and nothing that is not what it should be', async () => {
      const writer = new DeliveryWriter(connect());
      const host = new HostLink(connect(), NODE);
      expect(await host.fetchRecord()).toBeUndefined();
      const of = record('1', '1');
      await writer.write(NODE, of);
      expect(await host.fetchRecord()).toEqual(of);
      const bytes = Buffer.from([0, 1, 255]);
      const digest = createHash('sha256').update(bytes).digest('hex');
      await writer.putBundle(digest, bytes);
      expect(await host.fetchBundle(digest)).toEqual(bytes);
      expect(await host.fetchBundle('none')).toBeUndefined();
      expect(await writer.heldBundles([digest, 'none'])).toEqual(new Set([digest]));
      await writer.putBundle('wrong', bytes);
      await expect(host.fetchBundle('wrong')).rejects.toThrow(MalformedValue);
      expect(await writer.heldBundles([digest, 'wrong'])).toEqual(new Set([digest]));
      await raw.set(redisKeys.assignment(NODE), '{"v":2}');
      await expect(host.fetchRecord()).rejects.toThrow(MalformedValue);
    });

    it('is listed with the bundles, read with others, and loses its record alone', async () => {
      const writer = new DeliveryWriter(connect());
      const [id, digest] = ['a'.repeat(64), 'b'.repeat(64)];
      const of = record('1', '1');
      await writer.write(id, of);
      await writer.putBundle(digest, Buffer.from([1]));
      await raw.set(redisKeys.state(id), 's');
      const contents = await writer.contents();
      expect([contents.bundles.has(digest), contents.nodeIds.has(id)]).toEqual([true, true]);
      expect([...contents.nodeIds, ...contents.bundles].every((name) => name.length === 64)).toBe(
        true,
      );
      await raw.set(redisKeys.assignment(NODE), '{"v":2}');
      expect(await writer.records([NODE, id, 'none'])).toEqual([undefined, of, undefined]);
      expect(await writer.heldAssignments([id, 'none'])).toEqual(new Set([id]));
      await writer.discard(id);
      expect(await writer.heldAssignments([id])).toEqual(new Set());
      expect((await writer.contents()).nodeIds.has(id)).toBe(true);
      await writer.forgetNode(id);
      expect((await writer.contents()).nodeIds.has(id)).toBe(false);
    });

    it('is asked about with many others at once, and by itself only where one of these has none', async () => {
      const writer = new DeliveryWriter(connect());
      const nodeIds = Array.from({ length: 600 }, (_, n) => `host-${n}`);
      await writer.writeMany(nodeIds.map((nodeId) => delivery(nodeId, record('1', '1'))));
      const asked = async (): Promise<number> => {
        const stats = await raw.info('commandstats');
        return Number(/^cmdstat_exists:calls=(\d+)/m.exec(stats)?.[1] ?? 0);
      };
      const before = await asked();
      expect(await writer.heldAssignments(nodeIds)).toEqual(new Set(nodeIds));
      expect((await asked()) - before).toBe(3);
      await writer.discard('host-300');
      expect(await writer.heldAssignments(nodeIds)).toEqual(
        new Set(nodeIds.filter((nodeId) => nodeId !== 'host-300')),
      );
      expect((await asked()) - before).toBe(6 + 250);
    });

    it('keeps its events on its own stream until they are removed, and reads its cursor', async () => {
      const host = new HostLink(connect(), NODE);
      const streams = new EventStreams(connect());
      for (let i = 0; i < 5; i += 1) await host.appendEvents(Buffer.from([i]));
      const first = await streams.read(NODE, 3);
      expect(first.map((entry) => entry.sealed[0])).toEqual([0, 1, 2]);
      const behind = await streams.read(NODE, 50, first[1]?.id);
      expect(behind.map((entry) => entry.sealed[0])).toEqual([2, 3, 4]);
      expect(await streams.read(NODE, 50, behind.at(-1)?.id)).toEqual([]);
      await streams.remove(
        NODE,
        first.map((entry) => entry.id),
      );
      expect(await streams.length(NODE)).toBe(2);
      expect(await host.readCursor()).toBeUndefined();
      await streams.writeCursor(NODE, Buffer.from([9]));
      expect(await host.readCursor()).toEqual(Buffer.from([9]));
    });

    it('holds the newest few batches, however often the host repeats them while nobody reads', async () => {
      const host = new HostLink(connect(), NODE);
      const streams = new EventStreams(connect());
      for (let i = 0; i < 30; i += 1) await host.appendEvents(Buffer.from([i]));
      const kept = (await streams.read(NODE, 50)).map((entry) => entry.sealed[0]);
      expect(kept).toEqual([22, 23, 24, 25, 26, 27, 28, 29]);
    });
  });

  describe('the run watcher', () => {
    it('tells FLUSHALL and a restart, and repeats a filling that failed', async () => {
      const changes: RedisRunChange[] = [];
      let failures = 1;
      const watcher = new RunWatcher(connect(), {
        everyMs: 50,
        onRunChanged: (change) => {
          changes.push(change);
          if (change.reason === 'emptied' && failures-- > 0) throw new Error('etcd is away');
        },
      });
      open.push(watcher);
      const reasons = () => changes.map(({ reason }) => reason);
      await eventually('first', () => changes.length === 1);
      await raw.flushall();
      await eventually('emptied, twice', () => changes.length === 3);
      raw.disconnect();
      await server.restart();
      await eventually('restarted', () => changes.length === 4);
      expect(reasons()).toEqual(['first', 'emptied', 'emptied', 'restarted']);
      expect(changes[3]?.runId).not.toBe(changes[0]?.runId);
    });
  });

  describe('the connection', () => {
    it('fails a command by its deadline while Redis is away, and works again when it is back', async () => {
      const host = new HostLink(connect(), NODE);
      await host.fetchRecord();
      await server.kill9();
      await expect(host.fetchRecord()).rejects.toThrow(RedisUnavailable);
      await server.restart();
      await eventually('back', () =>
        host.fetchRecord().then(
          () => true,
          () => false,
        ),
      );
    });

    it('outlives a second error of one socket, as TLS tells them', async () => {
      const connection = connect();
      await connection.run('failing twice', (client) => {
        for (const text of ['first', 'second']) client.stream.emit('error', new Error(text));
        return Promise.resolve();
      });
      await expect(connection.run('again', (client) => client.ping())).resolves.toBe('PONG');
    });

    it('fails a command by its deadline on a link where nothing passes', async () => {
      const host = new HostLink(connect(link.port), NODE);
      await host.fetchRecord();
      link.stall();
      await expect(host.fetchRecord()).rejects.toThrow(RedisUnavailable);
      link.cut();
      link.restore();
      await eventually('back', () =>
        host.fetchRecord().then(
          () => true,
          () => false,
        ),
      );
    });
  });

  const pings = async (): Promise<number> =>
    Number(/cmdstat_ping:calls=(\d+)/.exec(await raw.info('commandstats'))?.[1] ?? 0);

  it('makes sure that its connection stands where nothing was written, and there alone', async () => {
    const host = new HostLink(connect(), NODE);
    await host.writeState(Buffer.from('s'));
    const before = await pings();
    for (let n = 0; n < 40; n += 1) {
      await host.writeState(Buffer.from('s'));
      await sleep(20);
    }
    expect(await pings()).toBe(before);
    await eventually('it asks', async () => (await pings()) > before + 1);
  });

  it('makes sure that its connection stands as often as it was told', async () => {
    const connection = connect();
    await eventually('it asks', async () => (await pings()) > 1);
    connection.slowTo(500, 10_000);
    const before = await pings();
    await sleep(1_500);
    expect(await pings()).toBeLessThanOrEqual(before + 1);
    connection.slowTo(500);
    await eventually('it asks again', async () => (await pings()) > before + 2);
  });

  describe('the transport of nudges', () => {
    function transport(
      port: number,
      seen: unknown[],
      more: { onSubscribed?: () => void; listenTimeoutMs?: number } = {},
    ) {
      const nudges = new HostwardRedisTransport({
        ...{ port, commandTimeoutMs: COMMAND_MS, maxBackoffMs: 200, heartbeatMs: 300 },
        channels: { nudge: redisKeys.nudge(NODE) },
        listenTimeoutMs: 60_000,
        ...more,
      });
      nudges.addHandler('nudge', (data) => Promise.resolve(void seen.push(data)), true);
      open.push(nudges);
      return nudges;
    }

    it('hands over 1,000 nudges while it is connected, each once and in order', async () => {
      const seen: Nudge[] = [];
      await listen(transport(server.port, seen));
      const writer = new DeliveryWriter(connect());
      await writer.writeMany(
        Array.from({ length: 1_000 }, (_, i) => delivery(NODE, record('1', `${i + 1}`))),
      );
      await eventually('all', () => seen.length >= 1_000);
      expect(seen.map((nudge) => nudge.assignmentVersion.generation)).toEqual(
        Array.from({ length: 1_000 }, (_, i) => `${i + 1}`),
      );
      // Redis may not have noticed yet that those of other tests are gone.
      await eventually('one subscriber', async () => {
        const clients = String(await raw.client('LIST'));
        return clients.match(/ sub=[1-9]/g)?.length === 1;
      });
    });

    it('hears again after a cut, and says so, since what was sent meanwhile is gone', async () => {
      const seen: unknown[] = [];
      let subscribed = 0;
      const nudges = transport(link.port, seen, { onSubscribed: () => (subscribed += 1) });
      await listen(nudges);
      link.cut();
      await eventually('cut', () => !nudges.counters.subscribed);
      const before = link.accepted;
      await eventually('attempts', () => link.accepted > before + 5);
      link.restore();
      await eventually('again', () => nudges.counters.subscribed && subscribed > 1);
      await raw.publish(redisKeys.nudge(NODE), '{"assignmentVersion":{}}');
      await eventually('heard', () => seen.length === 1);
    });

    it('listens without Redis and hears when it comes up', async () => {
      await server.halt();
      const seen: unknown[] = [];
      const nudges = transport(server.port, seen, { listenTimeoutMs: 1_000 });
      await listen(nudges);
      expect(nudges.counters.subscribed).toBe(false);
      await server.restart();
      await eventually('subscribed', () => nudges.counters.subscribed);
    });

    it('takes no message that asks for an answer for more than an event', async () => {
      const seen: unknown[] = [];
      const nudges = transport(server.port, seen);
      await listen(nudges);
      const reply = new Redis({ port: server.port });
      open.push({ close: () => reply.disconnect() });
      const replies: string[] = [];
      await reply.psubscribe('*.reply');
      reply.on('pmessage', (_, channel: string) => replies.push(channel));
      await raw.publish(redisKeys.nudge(NODE), '{"pattern":"x","id":"1","data":{"a":1}}');
      await raw.publish(redisKeys.nudge(NODE), 'no json');
      await eventually('both', () => seen.length === 2);
      expect(seen[0]).toEqual({ a: 1 });
      expect(replies).toEqual([]);
    });

    it('counts a handler that fails and goes on', async () => {
      const nudges = new HostwardRedisTransport({ port: server.port, shared: connect() });
      let calls = 0;
      const handler = () => {
        calls += 1;
        return Promise.reject(new Error('broken'));
      };
      nudges.addHandler('hw:check', handler, true);
      await listen(nudges);
      await raw.publish('hw:check', '{}');
      await raw.publish('hw:check', '{}');
      await eventually('both', () => calls === 2 && nudges.counters.handlerFailures === 2);
      await nudges.close();
    });
  });
});
