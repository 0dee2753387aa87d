import type { FleetState } from './fleet-state.js';
import { MAIN_SHARD } from '../config/redis-shards.js';

/** On which Redis a host is, as etcd holds it: wherever that is worked out. Undefined for ids that nobody knows. */
export function shardOf(state: FleetState, nodeId: string): string | undefined {
  const node = state.nameOf(nodeId);
  const enrollment = node === undefined ? undefined : state.nodes.get(node)?.record.enrollment;
  return enrollment && (enrollment.redisShard ?? MAIN_SHARD);
}

interface Health {
  readonly ok: boolean;
  readonly detail: string;
}

/**
 * How the main Redis is, and the further ones together: what is wrong with each that is away, and with hosts whose Redis
 * this configuration does not name. The latter is undefined where there are none of these.
 */
export function redisHealth(
  state: FleetState,
  byShard: ReadonlyMap<string, Health>,
): { readonly redis: Health; readonly redisShards?: Health } {
  const { [MAIN_SHARD]: redis, ...further } = Object.fromEntries(byShard);
  const away = Object.entries(further).flatMap(([shard, { ok, detail }]) =>
    ok ? [] : [`${shard}: ${detail}; its hosts enforce what they have`],
  );
  const wrong = [...away, ...strayWords(state, byShard)];
  const names = Object.keys(further);
  return {
    redis: redis ?? { ok: false, detail: 'there is none' },
    ...((names.length > 0 || wrong.length > 0) && {
      redisShards: {
        ok: wrong.length === 0,
        detail: wrong.join('; ') || `connected: ${names.join(', ')}`,
      },
    }),
  };
}

/** Asked for with every status, so it costs as many steps as there are Redis. */
function strayWords(
  { onFurtherRedis }: FleetState,
  byShard: ReadonlyMap<string, unknown>,
): readonly string[] {
  const strays = onFurtherRedis.keys().filter((shard) => !byShard.has(shard));
  return strays.map((shard) => {
    const hosts = onFurtherRedis.countOf(shard);
    return `${hosts} ${hosts === 1 ? 'host is' : 'hosts are'} on the Redis ${shard}, which redis.shards does not name here`;
  });
}
