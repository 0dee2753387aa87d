import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { Log } from '#observability';
import { connectRedis, nodeUserName, type NodeUser, type RedisConnection } from '#redis';
import { startRedis, type RedisServer } from '#testing';
import { eventually } from '../testing/eventually.js';
import { RedisHostUsers } from './redis-host-users.js';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const HOST: NodeUser = { nodeId: sha256('web1'), secretHashes: [sha256('secret')] };
const aclUsers = { default: 'off', control: `on #${sha256('control')} ~* &* +@all` };

let servers: readonly RedisServer[];
const open: RedisConnection[] = [];

beforeAll(async () => {
  servers = await Promise.all([startRedis({ aclUsers }), startRedis({ aclUsers })]);
});
afterEach(() => {
  for (const connection of open.splice(0)) connection.close();
});
afterAll(() => Promise.all(servers.map((server) => server.stop())));

function connect(server: RedisServer, username: string, password: string): RedisConnection {
  const connection = connectRedis({ port: server.port, username, password, maxBackoffMs: 100 });
  open.push(connection);
  return connection;
}

describe('users of hosts on several nodes of Redis', () => {
  it('are on each of them, so that a failover lets the hosts in and the revoked one out', async () => {
    const truth = new Map([[HOST.nodeId, HOST]]);
    const nodes = servers.map((server, index) => ({
      name: `node ${index}`,
      connection: connect(server, 'control', 'control'),
      part: 'all' as const,
      shard: 'main',
    }));
    const users = new RedisHostUsers(nodes, 'control', new Log({ write: () => undefined }));
    users.start(
      {
        known: () => true,
        all: () => [...truth.values()],
        one: (id) => truth.get(id),
        shardOf: () => 'main',
      },
      () => undefined,
    );
    const sessions = servers.map((server) => connect(server, nodeUserName(HOST.nodeId), 'secret'));
    await eventually('in everywhere', () => sessions.every(({ connected }) => connected));
    truth.clear();
    users.mark([HOST.nodeId]);
    await eventually('out everywhere', () => sessions.every(({ connected }) => !connected));
    await servers[1]?.restart();
    await eventually('known there again', () => nodes[1]?.connection.connected === true);
    await eventually('and still refused', () => /WRONGPASS/.test(String(sessions[1]?.lastError)));
    expect(sessions.map(({ connected }) => connected)).toEqual([false, false]);
    await users.close();
  });
});
