import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startRedis, type RedisServer } from '#testing';
import type { RedisAddress } from './connection-options.js';
import { connectRedis, type RedisConnection } from './redis.connection.js';
import { eventually } from './testing/eventually.js';

const aclUsers = { default: 'on nopass ~* &* +@all', host: 'on >secret -@all +ping +set ~*' };
const HOST = { username: 'host', password: 'secret' };

let one: RedisServer;
let other: RedisServer;
const open: RedisConnection[] = [];

beforeAll(async () => {
  [one, other] = await Promise.all([startRedis({ aclUsers }), startRedis({ aclUsers })]);
});
beforeEach(() => follow(other, one));
afterEach(() => {
  for (const connection of open.splice(0)) connection.close();
});
afterAll(() => Promise.all([one, other].map((server) => server.stop())));

const at = ({ port }: RedisServer): RedisAddress => ({ host: '127.0.0.1', port });

/** A host's, whose user may not even ask for its role by the command of that name. */
function connect(first: RedisServer, second: RedisServer): RedisConnection {
  const candidates = () => [at(first), at(second)];
  const quick = { maxBackoffMs: 100, heartbeatMs: 100 };
  const connection = connectRedis({ port: 0, candidates, masterOnly: true, ...HOST, ...quick });
  open.push(connection);
  return connection;
}

async function follow(follower: RedisServer, master: RedisServer): Promise<void> {
  await command(master, 'REPLICAOF', 'NO', 'ONE');
  await command(follower, 'REPLICAOF', '127.0.0.1', String(master.port));
}

async function command(server: RedisServer, name: string, ...words: string[]): Promise<void> {
  const connection = connectRedis({ port: server.port });
  await connection.run(name, (client) => client.call(name, ...words));
  connection.close();
}

const isAt = (connection: RedisConnection, server: RedisServer): Promise<void> =>
  eventually(`it is at ${server.port}`, () => {
    return connection.connected && connection.address.port === server.port;
  });

describe('a connection that uses a master alone', () => {
  it('passes a replica over, though it could log in there', async () => {
    const connection = connect(other, one);
    await connection.run('writing', (client) => client.set('a', '1'));
    expect(connection.address).toEqual(at(one));
    expect(connection.counters).toMatchObject({ connects: 1, disconnects: 0 });
  });

  it('passes a node over that does not let it in, or is not there', async () => {
    await command(one, 'ACL', 'DELUSER', 'host');
    const connection = connect(one, other);
    await command(other, 'REPLICAOF', 'NO', 'ONE');
    await isAt(connection, other);
    await command(one, 'ACL', 'SETUSER', 'host', ...aclUsers.host.split(' '));
    await one.kill9();
    await isAt(connect(one, other), other);
    await one.restart();
  });

  it('leaves a master that has become a replica, for the one of now', async () => {
    const connection = connect(one, other);
    let times = 0;
    connection.whenReady(() => (times += 1));
    await isAt(connection, one);
    await follow(one, other);
    await isAt(connection, other);
    await connection.run('writing', (client) => client.set('a', '2'));
    expect(times).toBe(2);
  });

  it('says which nodes are no masters where none is', async () => {
    await command(one, 'REPLICAOF', '127.0.0.1', String(other.port));
    const connection = connect(one, other);
    await eventually('both were tried', () => connection.counters.failures > 2);
    expect(connection.connected).toBe(false);
    expect(String(connection.lastError)).toMatch(
      /Redis at 127\.0\.0\.1:\d+ is a replica, and only a master is used/,
    );
  });
});
