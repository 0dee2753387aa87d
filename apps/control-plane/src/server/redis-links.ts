import type { Log } from '#observability';
import {
  connectRedis,
  SentinelWatch,
  type RedisConnection,
  type RedisConnectionOptions,
} from '#redis';
import type { ServerConfig } from '../config/index.js';
import type { HostPort, RedisShard } from '../config/redis.js';
import type { RedisNode } from '../nodes/redis-host-users.js';
import { MAIN_SHARD } from '../config/redis-shards.js';

/** The connections to one Redis that hosts are on, by what each is for. */
export interface ShardLinks {
  readonly shard: string;
  readonly commands: RedisConnection;
  /** A subscriber, which can do nothing else. */
  readonly bells: RedisConnection;
  /** To the Redis that takes events; `commands` where that is the same. */
  readonly events: RedisConnection;
}

/** Every connection of the control plane to Redis. */
export interface RedisLinks {
  /** The main one first. */
  readonly shards: readonly ShardLinks[];
  /** Where users of hosts are kept. */
  readonly nodes: readonly RedisNode[];
  /** Each of another Redis, which is told of its new certificate where that is ours to renew. */
  readonly servers: readonly RedisConnection[];
  /** To the Sentinels. */
  readonly sentinels: readonly RedisConnection[];
  readonly watches: readonly SentinelWatch[];
  readonly close: () => void;
  readonly all: readonly RedisConnection[];
}

/** How to log in: the same at every Redis, and the same at every Sentinel. */
export interface RedisLogins {
  readonly redis: Login;
  readonly sentinel: Login;
}

type Login = Omit<RedisConnectionOptions, 'host' | 'port'>;
type Part = RedisNode['part'];

/** One Redis: links to its master, and its nodes. */
interface Links {
  readonly links: readonly RedisConnection[];
  readonly nodes: readonly RedisNode[];
  readonly watch?: SentinelWatch;
}

/** Begins to connect to all that the configuration names. */
export function redisLinks(
  { sentinel, events: apart, shards: further, ...control }: ServerConfig['redis'],
  logins: RedisLogins,
  log: Log,
): RedisLinks {
  const open = (count: number, at: Nodes, name: string | undefined, part: Part, label: string) => {
    if (!sentinel || name === undefined) return unwatched(count, at, part, label, logins.redis);
    const { addresses } = sentinel;
    return watched(count, at, { name, addresses }, part, logins, log);
  };
  const one = open(2, control, sentinel?.name, apart ? 'control' : 'all', 'primary');
  const other = apart && open(1, apart, sentinel?.events, 'events', 'events');
  const [commands, bells] = one.links as [RedisConnection, RedisConnection];
  const events = other?.links[0] ?? commands;
  const beside = further.map((shard) => besides(shard, logins.redis));
  const shards = [
    { shard: MAIN_SHARD, commands, bells, events },
    ...beside.map(({ links }) => links),
  ];
  const nodes = [...one.nodes, ...(other?.nodes ?? []), ...beside.map(({ node }) => node)];
  const watches = [one.watch, other?.watch].filter((watch) => watch !== undefined);
  const servers = nodes.map(({ connection }) => connection);
  const linked = shards.flatMap((links) => [links.commands, links.bells, links.events]);
  const all = [...new Set([...linked, ...servers])];
  const close = (): void => {
    for (const each of [...watches, ...all]) each.close();
  };
  const sentinels = watches.flatMap(({ connections }) => connections);
  return { shards, nodes, servers, sentinels, watches, close, all };
}

/** A Redis beside the main one, which takes events of its hosts too. */
function besides(
  { name, host, port }: RedisShard,
  login: Login,
): { readonly links: ShardLinks; readonly node: RedisNode } {
  const [commands, bells] = [0, 1].map(() => connectRedis({ ...login, host, port })) as [
    RedisConnection,
    RedisConnection,
  ];
  return {
    links: { shard: name, commands, bells, events: commands },
    node: { name, connection: commands, part: 'all', shard: name },
  };
}

interface Nodes extends HostPort {
  readonly replicas: readonly HostPort[];
}

/** The node that is named first is the master until the configuration says otherwise. */
function unwatched(count: number, at: Nodes, part: Part, label: string, login: Login): Links {
  const { host, port, replicas } = at;
  const links = Array.from({ length: count }, () => connectRedis({ ...login, host, port }));
  const [connection] = links;
  return {
    links,
    nodes: [
      ...(connection ? [{ name: label, connection, part, shard: MAIN_SHARD }] : []),
      ...replicas.map((to) => ({
        ...named(to),
        connection: connectRedis({ ...login, ...to }),
        part,
        shard: MAIN_SHARD,
      })),
    ],
  };
}

/** Links follow the master that Sentinel names; each node has one more, since its users are kept whatever it is. */
function watched(
  count: number,
  { host, port, replicas }: Nodes,
  { name, addresses }: { readonly name: string; readonly addresses: readonly HostPort[] },
  part: Part,
  logins: RedisLogins,
  log: Log,
): Links {
  const places = [{ host, port }, ...replicas];
  const watch = new SentinelWatch({
    ...{ sentinels: addresses, name, nodes: places, login: logins.sentinel },
    onSwitch: (to) => {
      log.info('Sentinel names the master of Redis', { name, master: named(to).name });
      for (const link of links) link.retarget();
    },
    onError: (error) => log.warn('Sentinel names no master that is known', { name, error }),
  });
  const candidates = () => watch.candidates;
  const links = Array.from({ length: count }, () =>
    connectRedis({ ...logins.redis, host, port, candidates, masterOnly: true }),
  );
  const master = () => (watch.master ? links[0] : undefined);
  return {
    links,
    watch,
    nodes: places.map((to) => ({
      ...named(to),
      ...{ connection: connectRedis({ ...logins.redis, ...to }), part, master },
      shard: MAIN_SHARD,
    })),
  };
}

function named({ host, port }: HostPort): { readonly name: string } {
  return { name: `${host}:${port}` };
}
