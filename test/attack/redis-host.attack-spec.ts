import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { connect, type TLSSocket } from 'node:tls';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { redisKeys } from '#contracts';
import type { RedisConnection } from '#redis';
import { alertBatch } from '../../apps/control-plane/src/testing/alerts.js';
import type { TestHost } from '../../apps/control-plane/src/testing/test-host.js';
import { blockPolicy } from '../../apps/control-plane/src/testing/rig.js';
import { eventually } from '../e2e/support/eventually.js';
import { Product } from '../e2e/support/product.js';
import { StandIns } from '../e2e/support/stand-in-host.js';
import { Flood } from './support/flood.js';
import type { FloodCounts } from './support/flood-counts.js';
import type { WriteOrders } from './support/write-flood.js';

jest.setTimeout(600_000);

const WITHIN_MS = 90_000;
const GREATEST_ID = '18446744073709551615-18446744073709551615';
const MIB = 1024 * 1024;
const LOOK_AGAIN_MS = 5;
/** Deliveries that are timed: to be seen at all, to tell a p98, and to tell a p99. */
const [FEW, SOME, MANY] = [10, 50, 100];
/** No flood outlives its test by much. */
const FLOOD_MS = 600_000;

let product: Product;
let hosts: StandIns;
let victim: TestHost;
const attackers: TestHost[] = [];
let round = 0;

beforeAll(async () => {
  product = await Product.up();
  hosts = await StandIns.of(product);
  victim = await hosts.host('victim', 'role=victim');
  await delivered();
});
afterEach(() => {
  for (const attacker of attackers.splice(0)) hosts.switchOff(attacker);
});
afterAll(async () => {
  hosts.close();
  await product.down();
});

async function attackingHost(name: string): Promise<TestHost> {
  const host = await hosts.host(name);
  attackers.push(host);
  return host;
}

/** Applies one more version of a policy and waits until the victim has it; gives the milliseconds. */
async function delivered(): Promise<number> {
  const rest = await product.rest();
  round += 1;
  const since = performance.now();
  const text = blockPolicy('watched', `/usr/bin/nc${round}`, { role: 'victim' });
  const applied = await rest.post('/v1/apply', text);
  expect(applied.status).toBe(200);
  const newest = `/usr/bin/nc${round}"`;
  const has = async () => JSON.stringify((await victim.fetch())?.policies).includes(newest);
  await eventually('the victim has it', WITHIN_MS, has, LOOK_AGAIN_MS);
  return performance.now() - since;
}

/** Milliseconds of some deliveries to the victim: half took at most `p50`, 99 of 100 at most `p99`. */
interface Times {
  readonly p50: number;
  readonly p99: number;
}

async function deliveryTimes(count: number): Promise<Times> {
  const all: number[] = [];
  for (let i = 0; i < count; i += 1) all.push(await delivered());
  const sorted = all.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.ceil(share * count) - 1] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

const shown = ({ p50, p99 }: Times): string => `${Math.round(p50)}/${Math.round(p99)}`;
const against = (quiet: Times, times: Times): string =>
  `${shown(times)} (p99 x${(times.p99 / quiet.p99).toFixed(1)})`;

/** Deliveries to the victim while something goes on; printed beside those of a quiet moment. */
async function deliveriesDuring(what: string, attack: () => Promise<unknown>): Promise<void> {
  const quiet = await deliveryTimes(FEW);
  const attacking = attack();
  const busy = await deliveryTimes(FEW);
  await attacking;
  process.stdout.write(
    `ms to the victim, p50/p99, quiet: ${shown(quiet)}; while ${what}: ${against(quiet, busy)}\n`,
  );
}

/**
 * Deliveries to the victim during a flood from a process of its own; printed beside those of a quiet moment, and of a
 * moment when a program that attacks nobody burns as much CPU on the same machine as the attacker did for itself.
 */
async function deliveriesInConnections(
  what: string,
  host: TestHost,
  { kind, more }: { readonly kind: 'hold' | 'churn'; readonly more?: () => Promise<void> },
): Promise<void> {
  const quiet = await deliveryTimes(MANY);
  const { username, password } = host.redisLogin;
  const { port, ca } = hosts.endpoint();
  const login = { port, ca, username, password: password() };
  const flood = await Flood.start({ kind, ...login, connections: 400, forMs: FLOOD_MS });
  const busy = await deliveryTimes(MANY);
  await more?.();
  await eventually('400 were opened', WITHIN_MS, () => Promise.resolve(flood.counts.done >= 400));
  const { done, share } = await flood.stop();
  const burner = await Flood.start({ kind: 'burn', share: Math.min(1, share), forMs: FLOOD_MS });
  const burning = await deliveryTimes(MANY);
  await burner.stop();
  process.stdout.write(
    `ms to the victim, p50/p99 of ${MANY}, quiet: ${shown(quiet)}; while ${what} (${done} in all, itself using ` +
      `${Math.round(100 * share)} % of a core, at a low priority): ${against(quiet, busy)}; while a program ` +
      `burns as much, likewise, and attacks nobody: ${against(quiet, burning)}; load ${loadavg()[0]?.toFixed(1)}\n`,
  );
}

/** Deliveries to the victim while a host writes from a process of its own; printed beside those of a quiet moment. */
async function deliveriesInWrites(
  host: TestHost,
  kind: WriteOrders['kind'],
): Promise<FloodCounts & { readonly seconds: number }> {
  const { channelKey } = await host.receives();
  await host.report();
  const quiet = await deliveryTimes(SOME);
  const { nodeId, run, redisLogin } = host;
  const [redis, redisEvents] = [hosts.endpoint('redis'), hosts.endpoint('redisEvents')];
  const since = performance.now();
  const flood = await Flood.start({
    ...{
      kind,
      nodeId,
      run,
      channelKey: channelKey.toString('base64'),
      ca: redis.ca,
      forMs: FLOOD_MS,
    },
    ports: { redis: redis.port, redisEvents: redisEvents.port },
    username: redisLogin.username,
    password: redisLogin.password(),
  });
  const busy = await deliveryTimes(SOME);
  await eventually('some were taken', WITHIN_MS, () => Promise.resolve(flood.counts.done >= 8));
  const counts = await flood.stop();
  const seconds = (performance.now() - since) / 1_000;
  process.stdout.write(
    `ms to the victim, p50/p99 of ${SOME}, quiet: ${shown(quiet)}; while a host writes ${kind} (${counts.done} in ` +
      `${seconds.toFixed(1)} s, itself using ${Math.round(100 * counts.share)} % of a core): ${against(quiet, busy)}\n`,
  );
  return { ...counts, seconds };
}

const counted = async (metric: string): Promise<number> => {
  const { text } = await (await product.rest()).get('/metrics');
  const values = text.matchAll(new RegExp(`^${metric}(?:{.*})? (\\d+)$`, 'gm'));
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
};

const attempt = (connection: RedisConnection, ...[command = '', ...args]: string[]) =>
  connection
    .run(command, (client) => client.call(command, ...args))
    .then(String, (error: unknown) => String(error));

const nodeOf = async (name: string) =>
  (await (await product.rest()).get(`/v1/nodes/${name}`)).body as unknown as {
    phase: string;
    cutOff?: { reason: string };
  };

const cutOff = (name: string) =>
  eventually(`${name} is cut off`, WITHIN_MS, async () => {
    const { phase, cutOff: why } = await nodeOf(name);
    return phase === 'cut-off' && why?.reason;
  });

/** An alert of the victim reaches the store. */
async function victimIsHeard(from: number): Promise<void> {
  await victim.send(alertBatch('watched', from, from));
  const id = `1000-${String(from).padStart(10, '0')}`;
  await eventually('the cursor passes it', WITHIN_MS, async () => (await victim.cursor()) === id);
}

describe('ATTACKER: an enrolled host, with its own user on Redis', () => {
  it('ATTACKER: reads, lists, publishes to and writes what belongs to another: each is NOPERM', async () => {
    const attacker = await attackingHost('attacker-keys');
    const [mine, other] = [attacker.nodeId, victim.nodeId];
    const attempts: readonly (readonly string[])[] = [
      ['GET', redisKeys.assignment(other)],
      ['GET', redisKeys.cursor(other)],
      ['GET', redisKeys.state(other)],
      ['MGET', redisKeys.assignment(other), redisKeys.state(other)],
      ['GETRANGE', redisKeys.assignment(other), '0', '10'],
      ['EXISTS', redisKeys.state(other)],
      ['XRANGE', redisKeys.events(other), '-', '+'],
      ['SET', redisKeys.state(other), 'forged'],
      ['SET', redisKeys.assignment(other), 'forged'],
      ['SET', redisKeys.assignment(mine), 'forged'],
      ['SET', redisKeys.cursor(mine), 'forged'],
      ['SET', redisKeys.bundle('0'.repeat(64)), 'forged'],
      ['DEL', redisKeys.assignment(other)],
      ['XADD', redisKeys.events(other), 'MAXLEN', '0', '*', 'b', 'x'],
      ['XADD', redisKeys.events(other), GREATEST_ID, 'b', 'x'],
      ['XTRIM', redisKeys.events(other), 'MAXLEN', '0'],
      ['SUBSCRIBE', redisKeys.nudge(other)],
      ['SUBSCRIBE', redisKeys.bell(0)],
      ['PSUBSCRIBE', '*'],
      ['PUBLISH', redisKeys.nudge(other), 'forged'],
      ['PUBLISH', redisKeys.check, 'forged'],
      ['PUBSUB', 'CHANNELS'],
      ['KEYS', '*'],
      ['SCAN', '0'],
      ['RANDOMKEY'],
      ['DBSIZE'],
      ['EVAL', 'return 1', '0'],
      ['MULTI'],
      ['MONITOR'],
      ['CONFIG', 'GET', '*'],
      ['CONFIG', 'SET', 'maxmemory', '1'],
      ['ACL', 'LIST'],
      ['ACL', 'SETUSER', 'me', 'on', 'nopass', '+@all', '~*'],
      ['CLIENT', 'LIST'],
      ['CLIENT', 'KILL', 'TYPE', 'normal'],
      ['FLUSHALL'],
      ['REPLICAOF', '127.0.0.1', '1'],
      ['SHUTDOWN'],
      ['INFO'],
    ];
    /** What it may do on the one Redis and not on the other. */
    const apart = {
      redis: [['XADD', redisKeys.events(mine), '*', 'b', 'x']],
      redisEvents: [
        ['SET', redisKeys.state(mine), 'x'],
        ['PUBLISH', redisKeys.bell(0), 'x'],
        ['SUBSCRIBE', redisKeys.nudge(mine)],
      ],
    } as const;
    for (const to of ['redis', 'redisEvents'] as const) {
      const connection = hosts.connectionOf(attacker, to);
      await eventually('logged in', WITHIN_MS, () => Promise.resolve(connection.connected));
      for (const words of [...attempts, ...apart[to]]) {
        const answer = await attempt(connection, ...words);
        expect([to, ...words, answer]).toContainEqual(expect.stringContaining('NOPERM'));
      }
    }
    await delivered();
  });

  it('ATTACKER: empties its stream by MAXLEN 0 and drives it to the greatest id: only itself is hurt, and healed', async () => {
    const attacker = await attackingHost('attacker-ids');
    await attacker.receives();
    const connection = hosts.connectionOf(attacker, 'redisEvents');
    const stream = redisKeys.events(attacker.nodeId);
    await attempt(connection, 'XADD', stream, 'MAXLEN', '0', '*', 'b', 'x');
    expect(await attempt(connection, 'XADD', stream, GREATEST_ID, 'b', 'x')).toBe(GREATEST_ID);
    await victimIsHeard(1);
    await attacker.link.ring('events');
    await eventually('its stream takes alerts again', WITHIN_MS, () =>
      attacker.send(alertBatch('watched', 1, 1)).then(() => true),
    );
    await eventually('and they are stored', WITHIN_MS, async () => {
      return (await attacker.cursor()) === '1000-0000000001';
    });
  });

  it('ATTACKER: sends garbage as state, as batches, and on the bell: it is refused, nobody else notices', async () => {
    const attacker = await attackingHost('attacker-garbage');
    await attacker.receives();
    const connection = hosts.connectionOf(attacker);
    const events = hosts.connectionOf(attacker, 'redisEvents');
    const stream = redisKeys.events(attacker.nodeId);
    await deliveriesDuring('a host sends garbage', async () => {
      for (let i = 0; i < 300; i += 1) {
        await attempt(connection, 'SET', redisKeys.state(attacker.nodeId), `garbage ${i}`);
        await attempt(events, 'XADD', stream, '*', 'b', 'garbage');
        await attempt(events, 'XADD', stream, '*', 'other', 'field');
        await attempt(connection, 'PUBLISH', redisKeys.bell(0), 'x'.repeat(400));
        for (const node of [attacker.nodeId, victim.nodeId]) {
          for (const what of ['state', 'events'])
            await attempt(connection, 'PUBLISH', redisKeys.bell(0), JSON.stringify({ node, what }));
        }
      }
    });
    await victimIsHeard(2);
    const log = await product.log('control-plane');
    expect(log).toContain('a report was refused');
    expect(log).toContain('a batch of events was refused');
  });

  it('ATTACKER: writes a state of 16 MiB: it is cut off with the reason shown, others are not', async () => {
    const attacker = await attackingHost('attacker-huge');
    const connection = hosts.connectionOf(attacker);
    await attempt(connection, 'SET', redisKeys.state(attacker.nodeId), 'x'.repeat(16 * MIB));
    // It may be cut off before it can ring.
    await Promise.allSettled([attacker.link.ring('state')]);
    expect(await cutOff('attacker-huge')).toMatch(/a state of \d+ bytes/);
    await eventually('its sessions end', WITHIN_MS, () => Promise.resolve(!connection.connected));
    const shown = await product.cli(['status', 'node', 'attacker-huge']);
    expect([shown.code, shown.stdout]).toEqual([1, expect.stringContaining('cut off from Redis')]);
    expect((await product.must(['get', 'nodes'])).stdout).toMatch(/^attacker-huge +cut-off /m);
    await delivered();
    await victimIsHeard(3);
  });

  it('ATTACKER: floods its stream with entries of 1 MiB: it is cut off, others are delivered to and heard', async () => {
    const attacker = await attackingHost('attacker-stream');
    await deliveriesInWrites(attacker, 'garbage');
    expect(await cutOff('attacker-stream')).toMatch(/its event stream holds \d+ bytes/);
    await victimIsHeard(4);
  });

  it('ATTACKER: sends large batches without end that it did seal: they are read at its pace, others are delivered to and heard', async () => {
    const attacker = await attackingHost('attacker-alerts');
    const before = await counted('hostward_alerts_stored_total');
    const since = performance.now();
    await deliveriesInWrites(attacker, 'alerts');
    const batches = ((await counted('hostward_alerts_stored_total')) - before) / 1_700;
    const seconds = (performance.now() - since) / 1_000;
    // 0.7 MiB each, of 1 MiB a second, and of 2 MiB at first.
    expect(batches).toBeGreaterThan(0);
    expect(batches).toBeLessThan(4 + 1.5 * seconds);
    await victimIsHeard(5);
  });

  it('ATTACKER: writes states of 4 MiB without end: they are read at its pace, others are delivered to and heard', async () => {
    const attacker = await attackingHost('attacker-states');
    const before = await counted('hostward_reports_refused_total');
    const since = performance.now();
    await deliveriesInWrites(attacker, 'states');
    const refused = (await counted('hostward_reports_refused_total')) - before;
    const seconds = (performance.now() - since) / 1_000;
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(2 + seconds / 3);
    await victimIsHeard(6);
  });

  it('ATTACKER: opens 400 connections, again whenever they end: it is cut off, others are delivered to meanwhile', async () => {
    const attacker = await attackingHost('attacker-connections');
    await deliveriesInConnections('a host opens connections', attacker, {
      kind: 'hold',
      more: async () => {
        expect(await cutOff('attacker-connections')).toMatch(/connections to Redis/);
      },
    });
    expect((await nodeOf('victim')).phase).toBe('enrolled');
    const auditLog = await (await product.rest()).get('/v1/audit-log?limit=500');
    expect(auditLog.text).toContain('node.cut-off');
  });

  it('ATTACKER: logs in and leaves without end, on 400 connections: it is cut off, others are delivered to and heard meanwhile', async () => {
    const attacker = await attackingHost('attacker-churn');
    await deliveriesInConnections('a host shakes hands without end', attacker, {
      kind: 'churn',
      more: async () => {
        expect(await cutOff('attacker-churn')).toMatch(/connections to Redis/);
      },
    });
    expect((await nodeOf('victim')).phase).toBe('enrolled');
    await victimIsHeard(7);
  });
});

describe('ATTACKER: on the network, without a login', () => {
  it('ATTACKER: guesses passwords on 100 connections: none is let in, all are cut, others are delivered to', async () => {
    const folder = join(product.dataDir, 'control-plane', 'pki');
    const ca = await readFile(join(folder, 'ca.pem'));
    const ports = JSON.parse(await readFile(join(product.dataDir, 'ports.json'), 'utf8')) as {
      redis: number;
    };
    const answers: string[] = [];
    const sockets = Array.from({ length: 100 }, () => {
      const socket = connect({ host: '127.0.0.1', port: ports.redis, ca, servername: 'localhost' });
      socket.on('error', () => undefined);
      socket.on('data', (data) => answers.push(...data.toString().trim().split('\r\n')));
      return socket;
    });
    await deliveriesDuring('somebody guesses passwords', () => guess(sockets, 20));
    await eventually('all have answers', WITHIN_MS, () => Promise.resolve(answers.length >= 2_000));
    expect(new Set(answers.map((answer) => answer.split(' ')[0]))).toEqual(new Set(['-WRONGPASS']));
    await eventually('all are cut', WITHIN_MS, () =>
      Promise.resolve(sockets.every(({ destroyed }) => destroyed)),
    );
  });
});

async function guess(sockets: readonly TLSSocket[], times: number): Promise<void> {
  for (let i = 0; i < times; i += 1) {
    for (const [index, socket] of sockets.entries()) {
      const user = index % 2 === 0 ? 'control' : `node-${victim.nodeId}`;
      await new Promise((resolve) => socket.write(`AUTH ${user} guess-${i}\r\n`, resolve));
    }
  }
}
