import { ownerOf } from '../replicas/division.js';

/** The Redis that the configuration names as `redis` itself; further ones are in `redis.shards`. */
export const MAIN_SHARD = 'main';

/**
 * On which of these a host is to be that enrols or renews now. Pure; one that is added takes its share of the hosts from
 * all others, and moves nobody between these.
 */
export function chosenShard(nodeId: string, shards: readonly string[]): string {
  return ownerOf(nodeId, shards) ?? MAIN_SHARD;
}
