import { describe, expect, it } from '@jest/globals';
import { ConfigError } from './config-error.js';
import { Fields } from './fields.js';
import { readRedis, type RedisConfig } from './redis.js';

const TLS = { ca: 'pki/ca.pem', cert: 'pki/c.pem', key: 'pki/c.key' };
const SENTINEL = {
  addresses: ['10.0.0.1:26379', '[::1]:26379'],
  name: 'hostward',
  events: 'hostward-events',
  username: 'watcher',
  passwordFile: 'keys/sentinel.password',
};
const GOOD = {
  ...{ host: '10.0.0.1', port: 6379, replicas: ['10.0.0.2:6379'], tls: TLS },
  agent: {
    ...{ host: 'one.example', port: 6379, others: ['two.example:6379'] },
    events: { port: 6380, others: ['two.example:6380'] },
  },
  events: { host: '10.0.0.1', port: 6380, replicas: ['10.0.0.2:6380'] },
  sentinel: SENTINEL,
};

const omit = (value: object, key: string): object =>
  Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
const read = (value: unknown): RedisConfig =>
  readRedis(new Fields(value, 'redis'), (path) => `/etc/hostward/${path}`);

function refusal(value: unknown): string {
  try {
    read(value);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('Redis in the configuration', () => {
  it('has Sentinels, over TLS as Redis unless they have one of their own, and further nodes for hosts', () => {
    const { sentinel, events, agent } = read(GOOD);
    const ca = '/etc/hostward/pki/ca.pem';
    expect(sentinel).toMatchObject({
      addresses: [
        { host: '10.0.0.1', port: 26379 },
        { host: '::1', port: 26379 },
      ],
      ...{ name: 'hostward', events: 'hostward-events', tls: { ca } },
      passwordFile: '/etc/hostward/keys/sentinel.password',
    });
    expect(events?.replicas).toEqual([{ host: '10.0.0.2', port: 6380 }]);
    expect(agent.others).toEqual([{ host: 'two.example', port: 6379 }]);
    expect(agent.events?.others).toEqual([{ host: 'two.example', port: 6380 }]);
    const own = read({ ...GOOD, sentinel: { ...SENTINEL, tls: { ca: 'pki/other.pem' } } });
    expect(own.sentinel?.tls).toEqual({ ca: '/etc/hostward/pki/other.pem' });
  });

  it('has further ones that take a share of the hosts', () => {
    const agent = { host: 'b.example', port: 6381 };
    const shards = [{ name: 'b', host: '10.0.0.9', port: 6379, agent }];
    expect(read({ ...omit(GOOD, 'sentinel'), shards }).shards).toEqual(shards);
    expect(read(GOOD).shards).toEqual([]);
  });

  it.each([
    ['main', /redis\.shards\[0\]\.name is "main": must be another name than main/],
    ['b_1', /redis\.shards\[0\]\.name is "b_1": must be of at most 63 lower-case letters/],
  ])('has no further one by the name %s', (name, words) => {
    const shard = { name, host: 'r', port: 1, agent: { port: 1 } };
    expect(refusal({ ...omit(GOOD, 'sentinel'), shards: [shard] })).toMatch(words);
  });

  it('says to leave out a list of none', () => {
    const rest = 'leave it out where there is none';
    expect(refusal({ ...omit(GOOD, 'sentinel'), shards: [] })).toBe(
      `configuration: redis.shards is []: must be a list of 1 to 64 mappings; ${rest}`,
    );
    expect(refusal({ ...omit(GOOD, 'sentinel'), replicas: [] })).toBe(
      `configuration: redis.replicas is []: must be a list of 1 to 64 strings; ${rest}`,
    );
  });

  it('has no further ones beside Sentinels', () => {
    const shard = { name: 'b', host: 'r', port: 1, agent: { port: 1 } };
    expect(refusal({ ...GOOD, shards: [shard] })).toMatch(
      /redis\.shards is .*must be left out where there is redis\.sentinel/,
    );
  });

  it('needs neither', () => {
    const { sentinel, replicas, agent } = read({ host: 'r', port: 1, agent: { port: 1 } });
    expect({ sentinel, replicas, agent }).toEqual({
      sentinel: undefined,
      replicas: [],
      agent: { host: undefined, port: 1, events: undefined },
    });
  });

  it.each<[string, unknown, RegExp]>([
    [
      'a Sentinel that is no address',
      { ...GOOD, sentinel: { ...SENTINEL, addresses: ['10.0.0.1'] } },
      /redis\.sentinel\.addresses is "10\.0\.0\.1": must be HOST:PORT/,
    ],
    [
      'a name that Sentinel would not take',
      { ...GOOD, sentinel: { ...SENTINEL, name: 'my master' } },
      /redis\.sentinel\.name is "my master": must be the name in `sentinel monitor`/,
    ],
    ['no name', { ...GOOD, sentinel: omit(SENTINEL, 'name') }, /redis\.sentinel\.name is missing/],
    [
      'a user without a password',
      { ...GOOD, sentinel: omit(SENTINEL, 'passwordFile') },
      /redis\.sentinel\.passwordFile is missing: must name a file where username is set/,
    ],
    [
      'a Sentinel that can lead nowhere',
      omit(GOOD, 'replicas'),
      /redis\.replicas is missing: must name every other node/,
    ],
    [
      'one of events that can lead nowhere',
      { ...GOOD, events: { host: 'r', port: 1 } },
      /redis\.events\.replicas is missing: must name every other node/,
    ],
    [
      'one of events that there are none of',
      omit(GOOD, 'events'),
      /redis\.sentinel\.events is "hostward-events": must be left out/,
    ],
    [
      'a further node that is no address',
      { ...GOOD, agent: { port: 1, others: ['two.example'] } },
      /redis\.agent\.others is "two\.example": must be HOST:PORT/,
    ],
    [
      'more further nodes than a host takes',
      { ...GOOD, agent: { port: 1, others: Array.from({ length: 17 }, () => 'r:1') } },
      /redis\.agent\.others is \["r:1",.*: must name at most 16/,
    ],
    [
      'a misspelt key',
      { ...GOOD, sentinel: { ...SENTINEL, adresses: [] } },
      /redis\.sentinel\.adresses is there: is not a key/,
    ],
  ])('refuses %s, naming key, value and rule', (_title, value, message) => {
    expect(refusal(value)).toMatch(message);
  });
});
