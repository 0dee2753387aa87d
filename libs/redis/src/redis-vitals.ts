import type { RedisConnection } from './redis.connection.js';

/** How a Redis is and is set, as far as the product depends on it. */
export interface RedisVitals {
  /** Whether it takes writes, or follows another one. */
  readonly isMaster: boolean;
  /** Of its process: another one at each start. */
  readonly runId: string;
  readonly usedBytes: number;
  /** 0: no bound but the machine's memory. */
  readonly maxBytes: number;
  /** What happens when memory is full, e.g. `noeviction`. */
  readonly evictionPolicy: string;
  /** Whether the last save to disk went well; where one fails, Redis may refuse writes. */
  readonly saves: boolean;
  readonly clients: number;
  readonly maxClients: number;
  /** Its clock, ms since 1970. */
  readonly timeMs: number;
  /** Names of the users that it knows. */
  readonly users: ReadonlySet<string>;
}

/** Asks for it. Throws RedisUnavailable, or RedisRefused where our user may not ask. */
export async function redisVitals(connection: RedisConnection): Promise<RedisVitals> {
  const [info, [seconds, micros], users] = await connection.run('a look at Redis', (client) =>
    Promise.all([client.info(), client.time(), client.acl('USERS')]),
  );
  const values = valuesOf(info);
  const count = (name: string): number => Number(values.get(name) ?? 0);
  return {
    isMaster: values.get('role') === 'master',
    runId: values.get('run_id') ?? '',
    usedBytes: count('used_memory'),
    maxBytes: count('maxmemory'),
    evictionPolicy: values.get('maxmemory_policy') ?? '',
    saves:
      values.get('rdb_last_bgsave_status') !== 'err' &&
      values.get('aof_last_write_status') !== 'err',
    clients: count('connected_clients'),
    maxClients: count('maxclients'),
    timeMs: Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000),
    users: new Set(users),
  };
}

function valuesOf(info: string): ReadonlyMap<string, string> {
  const pairs = info.split('\r\n').map((line) => line.split(':', 2) as [string, string?]);
  return new Map(pairs.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
