import type { Log } from '#observability';
import {
  NodeStanding,
  NodeUsers,
  OffenceWatch,
  type HostOffence,
  type NodeUserSource,
  type RedisConnection,
  type RedisPart,
} from '#redis';
import { HostUsers, type HostUserSource } from './host-users.js';

/** The users by which a replica of Redis follows its primary, and by which Sentinel looks and leads. */
const SERVICE_USERS = ['replication', 'sentinel'];

/** One node of Redis, and what it serves. */
export interface RedisNode {
  readonly name: string;
  readonly connection: RedisConnection;
  readonly part: RedisPart;
  /** Of which Redis it is a node: hosts of others have no user on it. */
  readonly shard: string;
  /** To the master that Sentinel has named, if it has; absent where nobody watches over this Redis. */
  readonly master?: () => RedisConnection | undefined;
}

/** Keeps the hosts' users on each Redis node, since ACLs are neither replicated nor kept over a restart. */
export class RedisHostUsers extends HostUsers {
  #keepers: readonly NodeUsers[] = [];
  readonly #standings: NodeStanding[] = [];
  #watches: readonly OffenceWatch[] = [];

  constructor(
    private readonly nodes: readonly RedisNode[],
    private readonly ownUser: string | undefined,
    private readonly log: Log,
  ) {
    super();
  }

  override start(all: HostUserSource, onOffence: (offence: HostOffence) => void): void {
    this.#keepers = this.nodes.map((node) => this.#keeperOf(node, usersOf(all, node.shard)));
    this.#watches = this.nodes.map(
      ({ name, connection, shard }) =>
        new OffenceWatch(connection, {
          known: () =>
            usersOf(all, shard)
              .all()
              .map(({ nodeId }) => nodeId),
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
    for (const standing of this.#standings) standing.close();
    await Promise.all([...this.#keepers, ...this.#watches].map((each) => each.close()));
  }

  #keeperOf(node: RedisNode, source: NodeUserSource): NodeUsers {
    const { name, connection, part } = node;
    const log = this.log.child({ redis: name });
    const standing = this.#standingOf(node, () => keeper.compare(), log);
    const keeper = new NodeUsers(connection, {
      ...(standing ? letIn(source, standing) : source),
      part,
      keep: [...SERVICE_USERS, ...(this.ownUser === undefined ? [] : [this.ownUser])],
      onError: (error) => log.debug('users of hosts cannot be kept, trying again', { error }),
      onReconciled: (counts) => log.info('users of hosts were put right', { ...counts }),
    });
    return keeper;
  }

  #standingOf(
    { connection, master }: RedisNode,
    changed: () => void,
    log: Log,
  ): NodeStanding | undefined {
    if (!master) return undefined;
    const standing = new NodeStanding(connection, {
      master,
      onChange: () => {
        if (standing.serves === false)
          log.warn('it says that it is a master, which Sentinel does not: no host is let in');
        changed();
      },
      onError: (error) => log.debug('it does not say what it is', { error }),
    });
    this.#standings.push(standing);
    return standing;
  }
}

/** Those that are to be on one Redis. */
function usersOf(
  { known, current, all, one, complete, shardOf }: HostUserSource,
  shard: string,
): NodeUserSource {
  const isHere = (nodeId: string): boolean => shardOf(nodeId) === shard;
  return {
    known,
    current,
    complete,
    all: () => all().filter(({ nodeId }) => isHere(nodeId)),
    one: (nodeId) => (isHere(nodeId) ? one(nodeId) : undefined),
  };
}

/** Nobody has a user on a node that is out of order; while that is not known, users stay as they are. */
function letIn(source: NodeUserSource, standing: NodeStanding): NodeUserSource {
  return {
    known: () => source.known() && standing.serves !== undefined,
    // Out of order it is to have none at all.
    current: () => standing.serves === false || (source.current?.() ?? true),
    complete: () => standing.serves === false || (source.complete?.() ?? true),
    all: () => (standing.serves ? source.all() : []),
    one: (nodeId) => (standing.serves ? source.one(nodeId) : undefined),
  };
}
