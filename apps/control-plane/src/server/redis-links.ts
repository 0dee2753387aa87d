import { connectRedis, type RedisConnection, type RedisConnectionOptions } from '#redis';
import type { ServerConfig } from '../config/index.js';
import type { RedisNode } from '../nodes/redis-host-users.js';

/** Every connection of the control plane to Redis, by what it is for. */
export interface RedisLinks {
  readonly commands: RedisConnection;
  /** A subscriber, which can do nothing else. */
  readonly bells: RedisConnection;
  /** To the Redis that takes events; `commands` where that is the same. */
  readonly events: RedisConnection;
  /** Where users of hosts are kept. */
  readonly nodes: readonly RedisNode[];
  /** Each of another Redis, which is told of its new certificate where that is ours to renew. */
  readonly servers: readonly RedisConnection[];
  readonly all: readonly RedisConnection[];
}

/** Begins to connect to all that the configuration names; `login` is the same everywhere. */
export function redisLinks(
  { host, port, events: apart, replicas }: ServerConfig['redis'],
  login: Omit<RedisConnectionOptions, 'host' | 'port'>,
): RedisLinks {
  const to = (at: { readonly host: string; readonly port: number }): RedisConnection =>
    connectRedis({ ...login, ...at });
  const commands = to({ host, port });
  const bells = to({ host, port });
  const events = apart ? to(apart) : commands;
  const part = apart ? 'control' : 'all';
  const nodes: readonly RedisNode[] = [
    { name: 'primary', connection: commands, part },
    ...(apart ? [{ name: 'events', connection: events, part: 'events' } as const] : []),
    ...replicas.map((at): RedisNode => ({
      name: `${at.host}:${at.port}`,
      connection: to(at),
      part,
    })),
  ];
  const servers = nodes.map(({ connection }) => connection);
  const all = [bells, ...nodes.map(({ connection }) => connection)];
  return { commands, bells, events, nodes, servers, all };
}
