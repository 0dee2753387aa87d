import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { redisKeys } from '#contracts';
import { RedisServer, startRedis } from '#testing';
import { Redis } from 'ioredis';
import { RedisRefused } from './errors.js';
import { HostLink } from './host-link.js';
import { HostwardRedisTransport } from './hostward-redis.transport.js';
import { connectRedis } from './redis.connection.js';
import { eventually, listen } from './testing/eventually.js';

const NODE = 'a1';
/** Short enough to be waited for, and longer than a busy machine keeps a command waiting. */
const COMMAND_MS = 3_000;

describe('libs/redis on a Redis with a user for one host', () => {
  const keys = `%R~hw:n:${NODE}:asg %R~hw:n:${NODE}:cur %R~hw:b:* %W~hw:n:${NODE}:state %RW~hw:n:${NODE}:stmt`;
  const own = `resetchannels &hw:nudge:${NODE} &hw:check`;
  const commands = '+get +set +exists +subscribe +ping +hello';
  const selectors = `(%W~hw:n:${NODE}:ev +xadd) (resetchannels &hw:bell:0 +publish)`;
  const rules = `on >secret ${keys} ${own} ${commands} ${selectors}`;
  let server: RedisServer;
  let admin: Redis;
  const settings = () => ({
    port: server.port,
    username: 'host',
    password: 'secret',
    commandTimeoutMs: COMMAND_MS,
    maxBackoffMs: 200,
  });

  beforeAll(async () => {
    server = await startRedis({ aclUsers: { host: rules } });
    admin = new Redis({ port: server.port });
  });
  afterAll(async () => {
    admin.disconnect();
    await server.stop();
  });

  it('does all that a host does, and fills no ACL log', async () => {
    const connection = connectRedis(settings());
    const host = new HostLink(connection, NODE);
    const nudges = new HostwardRedisTransport({ port: server.port, shared: connection });
    nudges.addHandler(redisKeys.nudge(NODE), () => Promise.resolve(), true);
    nudges.addHandler(redisKeys.check, () => Promise.resolve(), true);
    await listen(nudges);
    await host.writeState(Buffer.from('s'));
    await host.appendEvents(Buffer.from('e'));
    expect(await host.fetchRecord()).toBeUndefined();
    expect(await host.readCursor()).toBeUndefined();
    expect(await admin.acl('LOG')).toEqual([]);
    await expect(new HostLink(connection, 'other').fetchRecord()).rejects.toThrow(RedisRefused);
    await nudges.close();
    connection.close();
  });

  it('fails to listen on a channel that is refused, and leaves nothing running', async () => {
    const nudges = new HostwardRedisTransport(settings());
    nudges.addHandler(redisKeys.nudge('other'), () => Promise.resolve(), true);
    await expect(listen(nudges)).rejects.toThrow(RedisRefused);
  });

  it('fails to listen with a wrong password', async () => {
    const wrong = { ...settings(), password: 'wrong' };
    const nudges = new HostwardRedisTransport({ ...wrong, listenTimeoutMs: 2_000 });
    nudges.addHandler(redisKeys.check, () => Promise.resolve(), true);
    await expect(listen(nudges)).rejects.toThrow(RedisRefused);
  });

  it('hears again when the channel that was taken from it is given back', async () => {
    const nudges = new HostwardRedisTransport(settings());
    const seen: unknown[] = [];
    nudges.addHandler(redisKeys.check, (data) => Promise.resolve(void seen.push(data)), true);
    await listen(nudges);
    // Taking the channel closes the connection of its subscriber.
    await admin.acl('SETUSER', 'host', 'resetchannels');
    await eventually('refused', () => nudges.counters.refusals > 1);
    expect(nudges.counters.subscribed).toBe(false);
    await admin.acl('SETUSER', 'host', '&hw:check');
    await eventually('subscribed', () => nudges.counters.subscribed);
    await admin.publish(redisKeys.check, '{"epoch":"1"}');
    await eventually('heard', () => seen.length === 1);
    await nudges.close();
  });
});
