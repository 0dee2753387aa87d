import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { redisKeys } from '#contracts';
import { type RedisServer, startRedis } from '#testing';
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { RedisRefused } from './errors.js';
import { HostLink } from './host-link.js';
import { type NodeUser, nodeUserName } from './node-user.js';
import { type NodeUserCounts, NodeUsers } from './node-users.js';
import { connectRedis, type RedisConnection } from './redis.connection.js';
import { Subscription } from './subscription.js';
import { eventually } from './testing/eventually.js';

const CONTROL = 'control-secret';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const idOf = (name: string | number): string => sha256(`host ${name}`);
const userOf = (name: string | number, ...secrets: string[]): NodeUser => ({
  nodeId: idOf(name),
  secretHashes: (secrets.length > 0 ? secrets : [`secret ${name}`]).map(sha256),
});

let server: RedisServer;
const truth = new Map<string, NodeUser>();
let known = true;
const counts: NodeUserCounts[] = [];
let complete = true;
const open: { close(): unknown }[] = [];

function connect(username: string, password: string | (() => string)): RedisConnection {
  const connection = connectRedis({ port: server.port, username, password, maxBackoffMs: 100 });
  open.push(connection);
  return connection;
}

const control = (): RedisConnection => connect('control', CONTROL);
const asHost = (name: string, secret = `secret ${name}`): RedisConnection =>
  connect(nodeUserName(idOf(name)), secret);

function keeper(connection = control()): NodeUsers {
  const users = new NodeUsers(connection, {
    known: () => known,
    all: () => [...truth.values()],
    complete: () => complete,
    one: (nodeId) => truth.get(nodeId),
    keep: ['control', 'replication'],
    everyMs: 50,
    onReconciled: (each) => counts.push(each),
  });
  open.push(users);
  return users;
}

function want(...users: NodeUser[]): void {
  for (const user of users) truth.set(user.nodeId, user);
}

const names = async (): Promise<string[]> =>
  (await control().run('listing', (client) => client.acl('USERS'))).toSorted();

beforeAll(async () => {
  server = await startRedis({
    aclUsers: {
      default: 'off',
      control: `on #${sha256(CONTROL)} ~* &* +@all`,
      replication: `on #${sha256('r')} +psync +replconf +ping`,
    },
  });
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one.close()));
  truth.clear();
  counts.length = 0;
  known = true;
  await server.restart();
});
afterAll(() => server.stop());

describe('users of hosts on a real Redis', () => {
  it('reach what is theirs: assignment, bundles, cursor, state, signed status, stream, nudges and the bell', async () => {
    want(userOf('a'));
    keeper();
    const connection = asHost('a');
    const [link, id] = [new HostLink(connection, idOf('a')), idOf('a')];
    await eventually('logged in', () => connection.connected);
    const heard: string[] = [];
    const nudges = new Subscription(asHost('a'), {
      channels: [redisKeys.nudge(id), redisKeys.check],
      onMessage: (channel) => heard.push(channel),
      onSubscribed: () => undefined,
    });
    expect(await link.writeState(Buffer.from('state'))).toBe(false);
    expect(
      await link.writeState(Buffer.from('state'), { signedStatus: Buffer.from('signed-status') }),
    ).toBe(true);
    expect(await link.writeState(Buffer.from('state'))).toBe(true);
    await link.appendEvents(Buffer.from('batch'));
    expect(await link.readCursor()).toBeUndefined();
    expect(await link.fetchRecord()).toBeUndefined();
    expect(await link.fetchBundle(sha256('none'))).toBeUndefined();
    await eventually('subscribed', () => nudges.counters.subscribed);
    await control().run('nudging', (client) => client.publish(redisKeys.nudge(id), 'x'));
    await eventually('nudged', () => heard.includes(redisKeys.nudge(id)));
  });

  it('are not made on a node that comes back, before it is known what it is', async () => {
    want(userOf('a'));
    const connection = control();
    connection.whenReady(() => (known = false));
    const users = keeper(connection);
    await eventually('connected', () => connection.connected);
    known = true;
    await eventually('made', async () => (await names()).includes(nodeUserName(idOf('a'))));
    await server.halt();
    users.compare();
    users.mark([idOf('a')]);
    await server.restart();
    await eventually('connected again', () => connection.counters.connects === 2);
    for (let look = 0; look < 20; look += 1) {
      expect(await names()).toEqual(['control', 'default', 'replication']);
      await delay(20);
    }
    known = true;
    await eventually('made anew', async () => (await names()).includes(nodeUserName(idOf('a'))));
  });

  it('are not made again, and not taken away, by a replica that has not heard of what others were told', async () => {
    want(userOf('stays'), userOf('revoked'));
    const memory = new Map(truth);
    keeper();
    let isCurrent = false;
    let compared = 0;
    const stale = new NodeUsers(control(), {
      known: () => true,
      current: () => isCurrent,
      all: () => {
        compared += 1;
        return [...memory.values()];
      },
      one: (nodeId) => memory.get(nodeId),
      keep: ['control', 'replication'],
      everyMs: 50,
      compareMs: 200,
    });
    open.push(stale);
    await eventually(
      'both have made theirs',
      async () => compared > 0 && (await names()).length === 5,
    );
    truth.delete(idOf('revoked'));
    want(userOf('new'));
    const fresh = keeper();
    await eventually('the truth', async () => (await names()).includes(nodeUserName(idOf('new'))));
    const since = compared;
    await eventually('the other one has compared', () => compared > since + 2);
    const there = await names();
    expect(there).toContain(nodeUserName(idOf('new')));
    expect(there).not.toContain(nodeUserName(idOf('revoked')));
    await fresh.close();
    isCurrent = true;
    await eventually('it removes again whom it does not know', async () => {
      return !(await names()).includes(nodeUserName(idOf('new')));
    });
  });

  it('are left alone where it is not certain who else is to have one', async () => {
    want(userOf('a'));
    const users = keeper();
    const isThere = async () => (await names()).includes(nodeUserName(idOf('a')));
    await eventually('made', isThere);
    complete = false;
    truth.delete(idOf('a'));
    want(userOf('b'));
    users.compare();
    await eventually('compared', async () => (await names()).includes(nodeUserName(idOf('b'))));
    expect(await isThere()).toBe(true);
    complete = true;
    users.compare();
    await eventually('removed', async () => !(await isThere()));
  });

  it('do nothing else: each of these is refused', async () => {
    want(userOf('a'), userOf('b'));
    keeper();
    const connection = asHost('a');
    await eventually('logged in', () => connection.connected);
    const [mine, other] = [idOf('a'), idOf('b')];
    const attempts: readonly (readonly string[])[] = [
      ...[redisKeys.assignment(other), redisKeys.cursor(other), redisKeys.state(other)].map(
        (key) => ['GET', key],
      ),
      ['GET', redisKeys.state(mine)],
      ['GET', redisKeys.signedStatus(mine)],
      ['EXISTS', redisKeys.state(mine)],
      ['EXISTS', redisKeys.signedStatus(other)],
      ['SET', redisKeys.signedStatus(other), 'x'],
      ['SET', redisKeys.signedStatus(mine), 'x', 'GET'],
      ['SET', redisKeys.assignment(mine), 'x'],
      ['SET', redisKeys.cursor(mine), 'x'],
      ['SET', redisKeys.events(mine), 'x'],
      ['SET', redisKeys.state(mine), 'x', 'GET'],
      ['SET', redisKeys.state(other), 'x'],
      ['SET', redisKeys.bundle(sha256('x')), 'x'],
      ['XADD', redisKeys.events(other), 'MAXLEN', '0', '*', 'b', 'x'],
      ['XADD', redisKeys.state(mine), '*', 'b', 'x'],
      ['XRANGE', redisKeys.events(mine), '-', '+'],
      ['SUBSCRIBE', redisKeys.nudge(other)],
      ['SUBSCRIBE', redisKeys.bell(0)],
      ['PSUBSCRIBE', 'hw:*'],
      ['PUBLISH', redisKeys.nudge(mine), 'x'],
      ['PUBLISH', redisKeys.nudge(other), 'x'],
      ['PUBLISH', redisKeys.check, 'x'],
      ['PUBLISH', redisKeys.bell(1), 'x'],
      ['KEYS', '*'],
      ['SCAN', '0'],
      ['DEL', redisKeys.state(mine)],
      ['EVAL', 'return 1', '0'],
      ['CONFIG', 'GET', '*'],
      ['CLIENT', 'LIST'],
      ['ACL', 'WHOAMI'],
      ['INFO'],
      ['FLUSHALL'],
      ['MONITOR'],
      ['PUBSUB', 'CHANNELS'],
      ['SHUTDOWN'],
    ];
    for (const [command = '', ...args] of attempts) {
      const tried = connection.run(command, (client) => client.call(command, ...args));
      const answer = await tried.then(String, (error: unknown) => String(error));
      expect([command, ...args, answer]).toContainEqual(expect.stringContaining('NOPERM'));
    }
  });

  it('are 10,000 again after a restart, and all others but those to keep are gone', async () => {
    want(...Array.from({ length: 10_000 }, (_, index) => userOf(index)));
    await control().run('adding', (client) =>
      client.acl('SETUSER', 'intruder', 'on', 'nopass', 'allcommands', 'allkeys'),
    );
    keeper();
    await eventually('made', () => counts.length === 1);
    expect(counts[0]).toEqual({ set: 10_000, removed: 1 });
    await server.restart();
    const since = performance.now();
    await eventually('made again', () => counts.length === 2);
    const tookMs = Math.round(performance.now() - since);
    process.stdout.write(`10,000 users restored ${tookMs} ms after a restart\n`);
    expect(counts[1]).toEqual({ set: 10_000, removed: 0 });
    const there = await names();
    expect(there).toHaveLength(10_003);
    expect(there).toEqual(expect.arrayContaining(['control', 'default', 'replication']));
    expect(there).not.toContain('intruder');
    const host = asHost('9999');
    await eventually('a host is in', () => host.connected);
  });

  it('are not touched while the truth is not known', async () => {
    want(userOf('a'));
    keeper();
    await eventually('made', () => counts.length === 1);
    known = false;
    truth.clear();
    const next = keeper();
    next.compare();
    await control().run('a round trip', (client) => client.ping());
    expect(await names()).toContain(nodeUserName(idOf('a')));
  });

  it('end with their connections, subscriptions included, and stay away after a restart', async () => {
    want(userOf('a'), userOf('b'));
    const users = keeper();
    const [gone, stays] = [asHost('a'), asHost('b')];
    const nudges = new Subscription(asHost('a'), {
      channels: [redisKeys.nudge(idOf('a'))],
      onMessage: () => undefined,
      onSubscribed: () => undefined,
    });
    await eventually('all are in', () => stays.connected && gone.connected);
    await eventually('subscribed', () => nudges.counters.subscribed);
    truth.delete(idOf('a'));
    users.mark([idOf('a')]);
    await eventually('thrown out', () => !gone.connected && !nudges.counters.subscribed);
    expect(stays.counters.disconnects).toBe(0);
    await server.restart();
    await eventually('the other is back', () => stays.counters.connects === 2 && stays.connected);
    await expect(gone.run('a ping', (client) => client.ping())).rejects.toThrow(RedisRefused);
  });

  it('change their secret while both are taken, and lose no connection by it', async () => {
    want(userOf('a', 'old'));
    const users = keeper();
    const connection = asHost('a', 'old');
    await eventually('in with the old one', () => connection.connected);
    want(userOf('a', 'new', 'old'));
    users.mark([idOf('a')]);
    const both = [asHost('a', 'new'), asHost('a', 'old')];
    await eventually('in with either', () => both.every(({ connected }) => connected));
    want(userOf('a', 'new'));
    users.mark([idOf('a')]);
    const late = asHost('a', 'old');
    await eventually('the old one is over', () => /WRONGPASS/.test(String(late.lastError)));
    expect(connection.counters).toMatchObject({ connects: 1, disconnects: 0 });
    await connection.run('a ping', (client) => client.ping());
  });

  it('log in with the secret of the moment when they come back', async () => {
    want(userOf('a', 'new', 'old'));
    keeper();
    let secret = 'old';
    const connection = connect(nodeUserName(idOf('a')), () => secret);
    await eventually('in', () => connection.connected);
    want(userOf('a', 'new'));
    secret = 'new';
    await server.restart();
    await eventually('in again', () => connection.connected && connection.counters.connects === 2);
  });
});
