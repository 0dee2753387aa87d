import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { connectRedis, nodeUserName, SentinelWatch, type RedisConnection } from '#redis';
import { readConfig } from '../config/read-config.js';
import { eventually } from './eventually.js';
import { RedisGroup } from './redis-group.js';
import { Rig, blockPolicy } from './rig.js';
import { TestHost } from './test-host.js';

const WEB = { app: 'web' };

/** Redis with a replica and three Sentinels: its first machine is lost, and comes back. */
let rig: Rig;
let group: RedisGroup;
let host: TestHost;
let revoked: TestHost;
const connections: RedisConnection[] = [];

beforeAll(async () => {
  rig = await Rig.prepare([], (made) => RedisGroup.lines(made));
  group = await RedisGroup.start(rig);
  await rig.startControlPlane();
  await rig.ready();
  [host, revoked] = [await joined('web1'), await joined('web2')];
});
afterAll(async () => {
  for (const connection of connections) connection.close();
  await rig.stop();
  await group.stop();
});

/** A host with all addresses of Redis that it was told, over the agent's own connection. */
async function joined(name: string): Promise<TestHost> {
  const made = await rig.rest.post('/v1/join-tokens', { labels: WEB });
  const found = new TestHost(name, rig.rest);
  const answer = await found.enroll(String(made.body['token']));
  expect(answer.body['redis']).toMatchObject({ others: [group.addresses[1]] });
  found.attach(connect(found.redisLogin, group.addresses, true));
  return found;
}

function connect(
  login: Pick<Parameters<typeof connectRedis>[0], 'username' | 'password'>,
  addresses: readonly { readonly host: string; readonly port: number }[],
  masterOnly = false,
): RedisConnection {
  const tls = { ca: readFileSync(rig.files.redis.ca) };
  const candidates = () => addresses;
  const to = { port: 0, candidates, masterOnly, tls, maxBackoffMs: 200, ...login };
  const connection = connectRedis(to);
  connections.push(connection);
  return connection;
}

/** The control plane's own user on one node, whatever that is. */
function admin({ port }: { readonly port: number }): RedisConnection {
  const { username, passwordFile = '' } = readConfig(rig.files.configFile).redis;
  const password = readFileSync(passwordFile, 'utf8').trim();
  return connect({ username, password }, [{ host: '127.0.0.1', port }]);
}

/** Sentinel ends all connections of a node when it gives it another role: nothing is known then. */
const role = (connection: RedisConnection): Promise<string> =>
  connection.run('asking', async (client) => String((await client.role())[0])).catch(() => '');
const users = (connection: RedisConnection): Promise<readonly string[]> =>
  connection.run('listing users', (client) => client.acl('USERS')).catch(() => []);
const apply = (name: string): Promise<unknown> =>
  rig.rest.post('/v1/apply', blockPolicy(name, '/usr/bin/nc', WEB));
const enforces = (policy: string) =>
  eventually(`${policy} is enforced on web1`, async () => {
    await host.takesAndReports();
    const { body } = await rig.rest.get(`/v1/policies/${policy}/status`);
    const { nodes = [] } = body as { nodes?: { readonly node: string; readonly state: string }[] };
    return nodes.find(({ node }) => node === 'web1')?.state === 'enforced';
  });

/** Whom Sentinel has named, by the log of the control plane. */
const masters = (): readonly string[] =>
  rig.lines.flatMap(
    (line) => /names the master of Redis.*"master":"([^"]+)"/.exec(line)?.[1] ?? [],
  );

describe('Redis with a replica, under Sentinel', () => {
  it('serves a fleet, whose users are on both nodes', async () => {
    await apply('before');
    for (const each of [host, revoked]) await each.receives('before');
    await enforces('before');
    const [one, other] = [admin(group.master), admin(group.replica)];
    expect([await role(one), await role(other)]).toEqual(['master', 'slave']);
    for (const node of [one, other])
      await eventually('users on both', async () =>
        (await users(node)).includes(nodeUserName(host.nodeId)),
      );
    await eventually('the control plane follows Sentinel', () => masters().length === 1);
  }, 60_000);

  it('goes on with the replica when the master is killed: policies, reports, revocations', async () => {
    const replica = admin(group.replica);
    const [asleep] = group.sentinels;
    asleep?.signal('SIGSTOP');
    await group.master.kill9();
    expect((await rig.rest.post('/v1/nodes/web2/revoke', {})).status).toBeLessThan(300);
    await eventually('the replica is the master', async () => (await role(replica)) === 'master');
    await apply('after');
    await eventually('the host has found it', () => host.fetch().catch(() => undefined));
    await host.receives('after', 'before');
    await enforces('after');
    await eventually('the revoked host has no user', async () => {
      const names = await users(replica);
      return (
        names.includes(nodeUserName(host.nodeId)) && !names.includes(nodeUserName(revoked.nodeId))
      );
    });
    await expect(revoked.link.fetchRecord()).rejects.toThrow(/WRONGPASS|unavailable/);
    await rig.ready();
    // It still takes the old master for the one there is, and is not believed against the others.
    asleep?.signal('SIGCONT');
  }, 60_000);

  it('is not harmed by the old master, which comes back empty and believes that it is one still', async () => {
    await group.master.restart();
    const old = admin(group.master);
    // Until a Sentinel tells it, nobody is let in there.
    const seen = new Set<string>();
    await eventually('it is a replica', async () => {
      const names = await users(old);
      const is = await role(old);
      if (is === 'master') for (const name of names) seen.add(name);
      return is === 'slave';
    });
    expect([...seen].toSorted()).toEqual(['control', 'default', 'sentinel']);
    await apply('later');
    await host.receives('after', 'before', 'later');
    await enforces('later');
    await eventually('users of those that may are there again', async () => {
      const names = await users(old);
      return names.includes(nodeUserName(host.nodeId));
    });
    expect(await users(old)).not.toContain(nodeUserName(revoked.nodeId));
    const { body } = await rig.rest.get('/v1/diagnosis');
    expect(body['findings']).toContainEqual(
      expect.objectContaining({ check: 'redis-sentinel-hostward', verdict: 'ok' }),
    );
    expect(masters()).toEqual(group.addresses.map(({ host: at, port }) => `${at}:${port}`));
  }, 90_000);

  it('is not followed to a node that the configuration does not name, and says so once', async () => {
    const { login, ...watched } = group.watched;
    const tls = { ca: readFileSync(rig.files.redis.ca) };
    const nodes = [{ host: '127.0.0.1', port: 1 }];
    const told: string[] = [];
    const watch = new SentinelWatch({
      ...{ ...watched, login: { ...login, tls }, nodes, everyMs: 50 },
      onSwitch: ({ port }) => told.push(`switched to ${port}`),
      onError: (error) => told.push(String(error)),
    });
    await eventually('all were asked', () => watch.standing.answering === 3);
    await eventually('it has a problem', () => watch.standing.problem !== undefined);
    expect(watch.candidates).toEqual(nodes);
    const [, master] = group.addresses;
    expect(told).toEqual([
      expect.stringContaining(
        `says that the master is 127.0.0.1:${master?.port}, and known are 127.0.0.1:1:`,
      ),
    ]);
    watch.close();
  }, 60_000);
});
