import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { redisKeys } from '#contracts';
import { connectRedis, nodeUserName, type RedisConnection } from '#redis';
import { startRedis, type RedisServer } from '#testing';
import type { RedisConfig, RedisShard } from '../config/redis.js';
import { readConfig } from '../config/read-config.js';
import { chosenShard, MAIN_SHARD } from '../config/redis-shards.js';
import { alertBatch } from './alerts.js';
import { eventually } from './eventually.js';
import { Rig, blockPolicy } from './rig.js';
import { TestHost } from './test-host.js';

const WEB = { app: 'web' };
const POLICY_TIME_MS = 120_000;
/** As a command to Redis may take. */
const COMMAND_MS = 3_000;

/** Hosts split over two Redis as processes; a third one comes. */
let rig: Rig;
let b: RedisServer;
let c: RedisServer;
let onMain: TestHost;
let onB: TestHost;
/** On the main one as long as there are two. */
let mover: TestHost;
const connections: RedisConnection[] = [];

beforeAll(async () => {
  rig = await Rig.prepare();
  [b, c] = await Promise.all([further(), further()]);
  await serve(shard('b', b));
  onMain = await joined('main1', [MAIN_SHARD, MAIN_SHARD]);
  onB = await joined('b1', ['b', 'b']);
  mover = await joined('mover1', [MAIN_SHARD, 'c']);
}, POLICY_TIME_MS);
afterAll(async () => {
  for (const connection of connections) connection.close();
  await rig.stop();
  await Promise.all([b.stop(), c.stop()]);
});

/** With users and certificates as the main one has them. */
function further(): Promise<RedisServer> {
  const { ca, cert, key, usersFile } = rig.files.redis;
  const read = (file: string): string => readFileSync(file, 'utf8');
  const tls = { ca: read(ca), cert: read(cert), key: read(key) };
  return startRedis({ tls, config: [`include ${usersFile}`, 'tls-auth-clients optional'] });
}

function shard(name: string, { port }: RedisServer): RedisShard {
  return { name, host: '127.0.0.1', port, agent: { host: '127.0.0.1', port } };
}

/** Starts the control plane, or starts it again, with these beside the main one. */
async function serve(...shards: readonly RedisShard[]): Promise<void> {
  await rig.stopControlPlane();
  const agent = { host: '127.0.0.1', port: rig.redis.port };
  rig.useRedis({ agent, shards } satisfies Partial<RedisConfig>);
  await rig.startControlPlane();
  await rig.ready();
}

/** A host whose id leads to the first of these among two, and to the second among three; enrolled. */
async function joined(name: string, [two, three]: readonly string[]): Promise<TestHost> {
  let host = new TestHost(name, rig.rest);
  const leads = ({ nodeId }: TestHost): boolean =>
    chosenShard(nodeId, [MAIN_SHARD, 'b']) === two &&
    chosenShard(nodeId, [MAIN_SHARD, 'b', 'c']) === three;
  while (!leads(host)) host = new TestHost(name, rig.rest);
  const made = await rig.rest.post('/v1/join-tokens', { labels: WEB });
  await attached(host, String(made.body['token']));
  return host;
}

/** Enrols, or renews, and goes where the answer says; its port. */
async function attached(host: TestHost, token = ''): Promise<number> {
  const answer = await host.enrollAtLast(token);
  expect(answer.status).toBe(200);
  const { port } = answer.body['redis'] as unknown as { readonly port: number };
  host.attach(connect(port, host.redisLogin));
  return port;
}

/** The same host, at the control plane that was started last. */
const again = (host: TestHost): TestHost => new TestHost(host.name, rig.rest, host);

function connect(
  port: number,
  login: Pick<Parameters<typeof connectRedis>[0], 'username' | 'password'>,
): RedisConnection {
  const tls = { ca: readFileSync(rig.files.redis.ca) };
  const connection = connectRedis({ port, tls, maxBackoffMs: 200, ...login });
  connections.push(connection);
  return connection;
}

/** Of these hosts, whose user and whose assignment are on a Redis. */
async function held({ port }: RedisServer, hosts: readonly TestHost[]) {
  const { username, passwordFile = '' } = readConfig(rig.files.configFile).redis;
  const password = readFileSync(passwordFile, 'utf8').trim();
  const admin = connect(port, { username, password });
  const users = await admin.run('listing users', (client) => client.acl('USERS'));
  const there = await Promise.all(
    hosts.map(({ nodeId }) =>
      admin.run('looking', (client) => client.exists(redisKeys.assignment(nodeId))),
    ),
  );
  admin.close();
  return {
    users: hosts
      .filter(({ nodeId }) => users.includes(nodeUserName(nodeId)))
      .map(({ name }) => name),
    assignments: hosts.filter((_, index) => there[index] === 1).map(({ name }) => name),
  };
}

const apply = (name: string) => rig.rest.post('/v1/apply', blockPolicy(name, '/usr/bin/nc', WEB));

async function stateOf(policy: string, host: TestHost): Promise<string | undefined> {
  const { body } = await rig.rest.get(`/v1/policies/${policy}/status`);
  const { nodes = [] } = body as { nodes?: { readonly node: string; readonly state: string }[] };
  return nodes.find(({ node }) => node === host.name)?.state;
}

const enforces = (policy: string, host: TestHost) =>
  eventually(`${policy} is enforced on ${host.name}`, async () => {
    await host.takesAndReports();
    return (await stateOf(policy, host)) === 'enforced';
  });

/** How long it takes until a policy has come to a host and gone again, in ms. */
async function passing(host: TestHost): Promise<number> {
  const started = performance.now();
  await apply('passing');
  await host.receives('first', 'passing', 'second');
  await rig.rest.delete('/v1/policies/passing');
  await host.receives('first', 'second');
  return performance.now() - started;
}

async function shardsCheck(): Promise<{ readonly ok: boolean; readonly detail: string }> {
  const { body, status } = await rig.rest.get('/readyz');
  const { checks = [] } = body as { checks?: { name: string; ok: boolean; detail: string }[] };
  expect(status).toBe(200);
  const { ok = false, detail = '' } = checks.find(({ name }) => name === 'redis-shards') ?? {};
  return { ok, detail };
}

describe('hosts on two Redis', () => {
  it(
    'get their policies, report and send alerts, each over its own alone',
    async () => {
      const hosts = [onMain, onB, mover];
      await apply('first');
      for (const host of hosts) {
        await host.receives('first');
        await enforces('first', host);
        await host.send(alertBatch(`of-${host.name}`, 1, 3));
      }
      for (const { name } of hosts)
        await eventually(`alerts of ${name} are stored`, async () => {
          const { body } = await rig.rest.get(`/v1/alerts?policy=of-${name}`);
          return (body['items'] as unknown as unknown[]).length === 3;
        });
      for (const host of hosts) await host.report('enforced', {}, host.state());
      await eventually('what they sign is given out', async () => {
        const { body } = await rig.rest.get('/v1/signed-statuses');
        const items = body['items'] as unknown as { readonly signedStatus?: unknown }[];
        return items.filter(({ signedStatus }) => signedStatus !== undefined).length === 3;
      });
      const main = ['main1', 'mover1'];
      expect(await held(rig.redis, hosts)).toEqual({ users: main, assignments: main });
      expect(await held(b, hosts)).toEqual({ users: ['b1'], assignments: ['b1'] });
      expect(await shardsCheck()).toEqual({ ok: true, detail: 'connected: b' });
    },
    POLICY_TIME_MS,
  );

  it(
    'of which one stands still: those of the other are served, and it is said',
    async () => {
      b.signal('SIGSTOP');
      await apply('second');
      await onMain.receives('first', 'second');
      await enforces('second', onMain);
      expect(await stateOf('second', onB)).not.toBe('enforced');
      // What waits for the one that stands still would wait for as long as a command to it does.
      expect(Math.min(await passing(onMain), await passing(onMain))).toBeLessThan(COMMAND_MS);
      await eventually('it is said', async () => {
        const { ok, detail } = await shardsCheck();
        return !ok && detail.startsWith('b: not connected') && detail.includes('enforce what they');
      });
    },
    POLICY_TIME_MS,
  );

  it(
    'of which one comes back empty: it is filled again',
    async () => {
      b.signal('SIGCONT');
      await b.kill9();
      await b.restart();
      await eventually('its host is let in', () => onB.fetch().catch(() => undefined));
      await onB.receives('first', 'second');
      await enforces('second', onB);
      await eventually('it is said', async () => (await shardsCheck()).ok);
    },
    POLICY_TIME_MS,
  );
});

describe('a third Redis', () => {
  it(
    'gets its share of the hosts as they renew, and nobody else moves',
    async () => {
      await serve(shard('b', b), shard('c', c));
      await apply('third');
      for (const host of [onMain, onB, mover]) await host.receives('first', 'second', 'third');
      [onMain, onB, mover] = [again(onMain), again(onB), again(mover)];
      const hosts = [onMain, onB, mover];
      expect(await held(c, hosts)).toEqual({ users: [], assignments: [] });
      expect([await attached(onMain), await attached(onB), await attached(mover)]).toEqual(
        [rig.redis, b, c].map(({ port }) => port),
      );
      await eventually('it is let in there', () => mover.fetch().catch(() => undefined));
      await mover.receives('first', 'second', 'third');
      await enforces('third', mover);
      await eventually('nothing of it is where it was', async () => {
        const { users, assignments } = await held(rig.redis, hosts);
        return users.join() === 'main1' && assignments.join() === 'main1';
      });
      expect((await rig.rest.get('/v1/audit-log')).text).toContain('node.redis-moved');
    },
    POLICY_TIME_MS,
  );

  it(
    'that a control plane does not know is told, and its hosts go to one of the others when they renew',
    async () => {
      await serve(shard('b', b));
      expect(await shardsCheck()).toEqual({
        ok: false,
        detail: '1 host is on the Redis c, which redis.shards does not name here',
      });
      mover = again(mover);
      expect(await attached(mover)).toBe(rig.redis.port);
      await eventually('it is let in there', () => mover.fetch().catch(() => undefined));
      await mover.receives('first', 'second', 'third');
      await eventually('nobody is on it', async () => (await shardsCheck()).ok);
    },
    POLICY_TIME_MS,
  );

  it(
    'and the others are served by two control planes alike',
    async () => {
      const other = await rig.startReplica();
      await eventually('it is ready', async () => (await other.get('/readyz')).status === 200);
      await other.post('/v1/apply', blockPolicy('fourth', '/usr/bin/nc', WEB));
      const hosts = [onMain, onB, mover];
      for (const host of hosts) await host.receives('first', 'fourth', 'second', 'third');
      for (const rest of [rig.rest, other])
        await eventually('all is enforced', async () => {
          for (const host of hosts) await host.takesAndReports();
          const { body } = await rest.get('/v1/policies/fourth/status');
          return body['enforcedEverywhere'] === true;
        });
    },
    POLICY_TIME_MS,
  );
});
