import { redisKeys } from '#contracts';
import { connectRedis, type RedisConnection, type RedisConnectionOptions } from '#redis';
import { nodeIdOfUser } from '../../../libs/redis/src/node-user.js';
import type { RedisLayout } from '../faults.js';
import type { Held } from '../history.js';
import { SHARD_OF, type Placed } from '../truth.js';
import { REDIS_NODES, type RedisNodeName, type RedisServerName } from './redis-nodes.js';

const ASSIGNMENT = /^hw:n:([0-9a-f]+):asg$/;

/** How all Redis and Sentinels are reached past all links, as their administrator has them. */
export interface RedisAccess {
  readonly ports: Readonly<Record<RedisServerName, number>> & {
    readonly sentinels: readonly number[];
  };
  readonly login: { readonly username: string; readonly password: string };
  readonly tls: { readonly ca: string; readonly cert?: string; readonly key?: string };
}

/** What an administrator of Redis asks and does. */
export class RedisAdmin {
  readonly #connections = new Set<RedisConnection>();

  constructor(
    readonly layout: RedisLayout,
    private readonly access: RedisAccess,
  ) {}

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  at<T>(name: RedisServerName, work: (connection: RedisConnection) => Promise<T>): Promise<T> {
    const { ports, login } = this.access;
    return this.#with({ port: ports[name], ...login }, work);
  }

  /** The first Sentinel that is there. */
  sentinel<T>(work: (connection: RedisConnection) => Promise<T>): Promise<T> {
    const { sentinels } = this.access.ports;
    const candidates = () => sentinels.map((port) => ({ host: '127.0.0.1', port }));
    return this.#with({ port: 0, candidates }, work);
  }

  /** Nodes of the Redis for policies that say that they are masters: mostly one, or both that hosts are split over. */
  async masters(): Promise<readonly RedisNodeName[]> {
    const found: RedisNodeName[] = [];
    for (const name of REDIS_NODES) {
      const ask = this.at(name, (connection) =>
        connection.run('asking', async (client) => (await client.role())[0]),
      );
      if ((await ask.catch(() => undefined)) === 'master') found.push(name);
    }
    return found;
  }

  /** How many of these hosts hear when something is written for them; nobody is sure to where two nodes say that they are the master. */
  async listeners(hosts: readonly Placed[]): Promise<number> {
    const masters = await this.masters();
    if (this.layout === 'replica' && masters.length > 1) return 0;
    let count = 0;
    for (const name of masters) {
      const isThere = ({ shard }: Placed): boolean =>
        this.layout === 'replica' || shard === SHARD_OF[name];
      const channels = hosts.filter(isThere).map(({ nodeId }) => redisKeys.nudge(nodeId));
      const found = await this.at(name, (connection) =>
        connection.run('asking', (client) => client.pubsub('NUMSUB', ...channels)),
      );
      count += channels.filter((_, index) => Number(found[2 * index + 1]) > 0).length;
    }
    return count;
  }

  /** Of which hosts each Redis has a user or an assignment; undefined where they are not split. */
  async held(): Promise<readonly Held[] | undefined> {
    if (this.layout === 'replica') return undefined;
    return Promise.all(
      REDIS_NODES.map((name) =>
        this.at(name, async (connection) => {
          const users = await connection.run('listing users', (client) => client.acl('USERS'));
          const keys = await connection.run('listing keys', (client) => client.keys('hw:n:*:asg'));
          return {
            shard: SHARD_OF[name],
            users: users.flatMap((user) => nodeIdOfUser(user) ?? []).sort(),
            assignments: keys.flatMap((key) => ASSIGNMENT.exec(key)?.[1] ?? []).sort(),
          };
        }),
      ),
    );
  }

  async #with<T>(
    to: Pick<RedisConnectionOptions, 'port' | 'username' | 'password' | 'candidates'>,
    work: (connection: RedisConnection) => Promise<T>,
  ): Promise<T> {
    const connection = connectRedis({ ...to, tls: this.access.tls, maxBackoffMs: 200 });
    this.#connections.add(connection);
    try {
      return await work(connection);
    } finally {
      connection.close();
      this.#connections.delete(connection);
    }
  }
}
