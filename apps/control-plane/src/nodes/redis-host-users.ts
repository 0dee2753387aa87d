import type { Log } from '#observability';
import {
  NodeUsers,
  OffenceWatch,
  type HostOffence,
  type NodeUserSource,
  type RedisConnection,
  type RedisPart,
} from '#redis';
import { HostUsers } from './host-users.js';

/** The user by which a replica of Redis follows its primary. */
const REPLICATION_USER = 'replication';

/** One node of Redis, and what it serves. */
export interface RedisNode {
  readonly name: string;
  readonly connection: RedisConnection;
  readonly part: RedisPart;
}

/** Keeps the hosts' users on each Redis node, since ACLs are neither replicated nor kept over a restart. */
export class RedisHostUsers extends HostUsers {
  #keepers: readonly NodeUsers[] = [];
  #watches: readonly OffenceWatch[] = [];

  constructor(
    private readonly nodes: readonly RedisNode[],
    private readonly ownUser: string | undefined,
    private readonly log: Log,
  ) {
    super();
  }

  override start(source: NodeUserSource, onOffence: (offence: HostOffence) => void): void {
    const keep = [REPLICATION_USER, ...(this.ownUser === undefined ? [] : [this.ownUser])];
    this.#keepers = this.nodes.map(({ name, connection, part }) => {
      const log = this.log.child({ redis: name });
      return new NodeUsers(connection, {
        ...source,
        part,
        keep,
        onError: (error) => log.debug('users of hosts cannot be kept, trying again', { error }),
        onReconciled: (counts) => log.info('users of hosts were put right', { ...counts }),
      });
    });
    this.#watches = this.nodes.map(
      ({ name, connection }) =>
        new OffenceWatch(connection, {
          known: () => source.all().map(({ nodeId }) => nodeId),
          onOffence,
          onError: (error) => this.log.debug('the load was not looked at', { redis: name, error }),
          cutStrangers: this.ownUser !== undefined,
        }),
    );
  }

  override mark(nodeIds: Iterable<string>): void {
    const ids = [...nodeIds];
    for (const keeper of this.#keepers) keeper.mark(ids);
  }

  override async close(): Promise<void> {
    await Promise.all([...this.#keepers, ...this.#watches].map((each) => each.close()));
  }
}
