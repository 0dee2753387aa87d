import type { EnrollResponse } from '#contracts';
import { chosenShard, MAIN_SHARD } from './redis-shards.js';
import type { RedisConfig } from './redis.js';

/** Where hosts reach a Redis. Each logs in as a user of its own. */
type Endpoint = Omit<EnrollResponse['redis'], 'username'>;

/** Where hosts reach each Redis; told to them when they enrol, and when they renew what enrolment gave. */
export class AgentEndpoints {
  readonly #byShard: ReadonlyMap<string, Endpoint>;

  constructor({ agent, shards }: Pick<RedisConfig, 'agent' | 'shards'>) {
    const { host, port, others, events } = agent;
    this.#byShard = new Map<string, Endpoint>([
      [MAIN_SHARD, { host, port, others, events }],
      ...shards.map((shard) => [shard.name, shard.agent] as const),
    ]);
  }

  /** The Redis that a host is to be on from now on. */
  shardFor(nodeId: string): string {
    return chosenShard(nodeId, [...this.#byShard.keys()]);
  }

  /** Where that host reaches it. */
  of(nodeId: string): Endpoint {
    const found = this.#byShard.get(this.shardFor(nodeId));
    if (!found) throw new Error(`no Redis for ${nodeId}`);
    return found;
  }
}
