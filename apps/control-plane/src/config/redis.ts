import { MOST_OTHER_NODES } from '#contracts';
import { ConfigError } from './config-error.js';
import { MAIN_SHARD } from './redis-shards.js';
import type { Fields } from './fields.js';
import { readTls, type Resolve, type TlsClientFiles, type TlsFiles } from './tls-files.js';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** A Redis and the nodes that a failover may lead to: hosts' users are kept there too, since Redis does not copy them. */
interface Nodes extends HostPort {
  readonly replicas: readonly HostPort[];
}

/** How agents reach a Redis; without a host, under the name by which they reached the control plane. */
interface AgentPort {
  readonly host?: string;
  readonly port: number;
  /** Further nodes: hosts use the one that says that it is the master. */
  readonly others?: readonly HostPort[];
}

/** How agents reach Redis; `events` where events have one of their own. */
interface AgentRedis extends AgentPort {
  readonly events?: AgentPort;
}

/** Who says which node is the master. */
export interface SentinelConfig {
  readonly addresses: readonly HostPort[];
  /** How Sentinel calls the master and its replicas. */
  readonly name: string;
  /** The same of the Redis for events; absent where nobody watches over that. */
  readonly events?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  /** By default as for Redis. */
  readonly tls?: TlsClientFiles;
}

/** A further Redis, which takes a share of the hosts; the same user, password and TLS. */
export interface RedisShard extends HostPort {
  readonly name: string;
  readonly agent: AgentPort;
}

/** How the control plane reaches Redis, and hosts do; every path is absolute. */
export interface RedisConfig extends Nodes {
  readonly tls?: TlsClientFiles;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly agent: AgentRedis;
  /** A Redis of its own for events, so that a flood of them delays no policy; the same user, password and TLS. */
  readonly events?: Nodes;
  readonly shards: readonly RedisShard[];
  /** Absent: `host` and `port` are the master until somebody changes them. */
  readonly sentinel?: SentinelConfig;
  /** Of the Redis on this machine that reads its certificate only when told: the files it is told to read again. */
  readonly server?: Required<TlsFiles>;
}

const NAME = /^[A-Za-z0-9._-]+$/;
const SHARD_NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Reads the section `redis`; throws ConfigError. */
export function readRedis(fields: Fields, at: Resolve): RedisConfig {
  const passwordFile = fields.optionalText('passwordFile');
  const tls = readTls(fields.optionalSection('tls'), at);
  const redis = {
    host: fields.text('host'),
    port: fields.port('port'),
    tls,
    username: fields.optionalText('username'),
    passwordFile: passwordFile && at(passwordFile),
    agent: readAgentRedis(fields.section('agent')),
    events: readNodes(fields.optionalSection('events'), 'redis.events.replicas'),
    replicas: readAddresses(fields, 'replicas', 'redis.replicas'),
    shards: readShards(fields),
    sentinel: readSentinel(fields.optionalSection('sentinel'), at, tls),
    server: readServer(fields.optionalSection('server'), at),
  };
  fields.end();
  checkWatched(redis);
  if (redis.sentinel && redis.shards.length > 0)
    throw fields.refuse(
      'shards',
      'must be left out where there is redis.sentinel, which watches over one Redis',
    );
  return redis;
}

function readShards(fields: Fields): readonly RedisShard[] {
  const names = new Set<string>([MAIN_SHARD]);
  return fields.optionalSections('shards').map((each) => {
    const name = each.text('name');
    if (!SHARD_NAME.test(name))
      throw each.refuse('name', 'must be of at most 63 lower-case letters, digits and -');
    if (names.has(name))
      throw each.refuse('name', `must be another name than ${[...names].join(', ')}`);
    names.add(name);
    const agent = each.section('agent');
    const at = { host: agent.optionalText('host'), port: agent.port('port') };
    const shard = { name, host: each.text('host'), port: each.port('port'), agent: at };
    agent.end();
    each.end();
    return shard;
  });
}

/** What Sentinel may lead to has to be known beforehand: users of hosts are kept there. */
function checkWatched({ sentinel, replicas, events }: RedisConfig): void {
  if (!sentinel) return;
  const rule = 'must name every other node that Sentinel may make the master, as HOST:PORT';
  if (replicas.length === 0) throw new ConfigError('redis.replicas', 'missing', rule);
  if (sentinel.events === undefined) return;
  if (!events)
    throw new ConfigError(
      'redis.sentinel.events',
      JSON.stringify(sentinel.events),
      'must be left out where there is no redis.events',
    );
  if (events.replicas.length === 0) throw new ConfigError('redis.events.replicas', 'missing', rule);
}

function readSentinel(
  fields: Fields | undefined,
  at: Resolve,
  ofRedis: TlsFiles | undefined,
): SentinelConfig | undefined {
  if (!fields) return undefined;
  const passwordFile = fields.optionalText('passwordFile');
  const addresses = fields.texts('addresses');
  const sentinel = {
    addresses: addresses.map((text) => readAddress('redis.sentinel.addresses', text)),
    name: readName(fields, 'name') ?? fields.text('name'),
    events: readName(fields, 'events'),
    username: fields.optionalText('username'),
    passwordFile: passwordFile && at(passwordFile),
    tls: readTls(fields.optionalSection('tls'), at) ?? ofRedis,
  };
  if (sentinel.username !== undefined && passwordFile === undefined)
    throw fields.refuse('passwordFile', 'must name a file where username is set');
  fields.end();
  return sentinel;
}

function readName(fields: Fields, key: string): string | undefined {
  const name = fields.optionalText(key);
  if (name === undefined || NAME.test(name)) return name;
  throw fields.refuse(key, 'must be the name in `sentinel monitor`: letters, digits and . - _');
}

function readServer(fields: Fields | undefined, at: Resolve): Required<TlsFiles> | undefined {
  if (!fields) return undefined;
  const { ca, cert, key } = {
    ca: fields.text('ca'),
    cert: fields.text('cert'),
    key: fields.text('key'),
  };
  fields.end();
  return { ca: at(ca), cert: at(cert), key: at(key) };
}

function readAgentRedis(fields: Fields): AgentRedis {
  const events = fields.optionalSection('events');
  const agent = {
    ...readAgentPort(fields, 'redis.agent'),
    events: events && readAgentPort(events, 'redis.agent.events'),
  };
  fields.end();
  events?.end();
  return agent;
}

function readAgentPort(fields: Fields, path: string): AgentPort {
  const others = readAddresses(fields, 'others', `${path}.others`);
  if (others.length > MOST_OTHER_NODES)
    throw fields.refuse('others', `must name at most ${MOST_OTHER_NODES}, which hosts take`);
  const at = { host: fields.optionalText('host'), port: fields.port('port') };
  return others.length === 0 ? at : { ...at, others };
}

function readNodes(fields: Fields | undefined, replicas: string): Nodes | undefined {
  if (!fields) return undefined;
  const at = {
    host: fields.text('host'),
    port: fields.port('port'),
    replicas: readAddresses(fields, 'replicas', replicas),
  };
  fields.end();
  return at;
}

function readAddresses(fields: Fields, key: string, path: string): readonly HostPort[] {
  return fields.optionalTexts(key).map((text) => readAddress(path, text));
}

function readAddress(key: string, text: string): HostPort {
  const match = /^(\[[0-9a-f:]+\]|[^:\s]+):([0-9]{1,5})$/i.exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] !== undefined && port <= 65_535)
    return { host: match[1].replace(/^\[|\]$/g, ''), port };
  throw new ConfigError(key, JSON.stringify(text), 'must be HOST:PORT');
}
