import type { ChainableCommander, Redis } from 'ioredis';
import { translateError } from './errors.js';
import { lookEveryMs } from './look-every.js';
import {
  type NodeUser,
  type RedisPart,
  nodeIdOfUser,
  nodeUserName,
  nodeUserRules,
} from './node-user.js';
import type { RedisConnection } from './redis.connection.js';
import { RunWatcher } from './run-watcher.js';

const BATCH = 500;
const DEFAULT_USER = 'default';

/** Who is to have a user, as the truth says now. */
export interface NodeUserSource {
  /** Whether the truth is known yet; before, nothing is touched. */
  readonly known: () => boolean;
  /**
   * Whether the truth is that of this moment: else who was removed by somebody else is not made again, and nobody is taken
   * for a stranger. Default: it is.
   */
  readonly current?: () => boolean;
  /** Every host's user. */
  readonly all: () => readonly NodeUser[];
  /** Whether it is certain that nobody else is to have one: else nobody is taken for a stranger. Default: it is. */
  readonly complete?: () => boolean;
  /** The user of one host; undefined where it is to have none. */
  readonly one: (nodeId: string) => NodeUser | undefined;
}

export interface NodeUsersOptions extends NodeUserSource {
  /** What this node serves; default both. */
  readonly part?: RedisPart;
  /** Users besides the hosts' that stay as they are. Every other one is removed. */
  readonly keep: readonly string[];
  /** How often it looks for a new run and tries again what failed; default 1,000. */
  readonly everyMs?: number;
  /** How often, at most, all users are compared with the truth although nothing is known to have changed; default 30,000. */
  readonly compareMs?: number;
  readonly onError?: (error: unknown) => void;
  readonly onReconciled?: (counts: NodeUserCounts) => void;
}

/** What one comparison changed. */
export interface NodeUserCounts {
  readonly set: number;
  readonly removed: number;
}

/**
 * Keeps the users of one Redis node as the truth says. ACLs are neither kept over a restart nor replicated, so each
 * node has a keeper of its own, which makes all users anew at each new run. Removing a user ends its connections.
 */
export class NodeUsers {
  /** What was set in this run, by node id: repeated only where it changed. */
  readonly #set = new Map<string, string>();
  readonly #dirty = new Set<string>();
  readonly #watcher: RunWatcher;
  readonly #retrying: NodeJS.Timeout;
  #comparing: NodeJS.Timeout;
  #compareDue = true;
  #runs = 0;
  #working: Promise<void> | undefined;
  #closed = false;

  constructor(
    private readonly connection: RedisConnection,
    private readonly options: NodeUsersOptions,
  ) {
    const { everyMs = 1_000, onError } = options;
    this.#watcher = new RunWatcher(connection, {
      everyMs,
      watchData: false,
      onRunChanged: () => this.#newRun(),
      onError,
    });
    this.#retrying = setInterval(() => void this.#work(), everyMs);
    this.#comparing = this.#compareLater();
  }

  /** These hosts' users may have changed. */
  mark(nodeIds: Iterable<string>): void {
    for (const nodeId of nodeIds) this.#dirty.add(nodeId);
    void this.#work();
  }

  /** Compares all users with the truth soon. */
  compare(): void {
    this.#compareDue = true;
    void this.#work();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#watcher.close();
    clearInterval(this.#retrying);
    clearTimeout(this.#comparing);
    await this.#working;
  }

  #compareLater(): NodeJS.Timeout {
    const inMs = lookEveryMs(this.#set.size, this.options.compareMs);
    return setTimeout(() => {
      this.compare();
      this.#comparing = this.#compareLater();
    }, inMs);
  }

  #newRun(): void {
    this.#set.clear();
    this.#runs += 1;
    this.compare();
  }

  #work(): Promise<void> {
    this.#working ??= this.#workOff().finally(() => (this.#working = undefined));
    return this.#working;
  }

  /** Until nothing is left or something fails; what failed stays on the list for the next look. */
  async #workOff(): Promise<void> {
    try {
      while (this.#isDue()) {
        if (this.#compareDue) await this.#compareAll();
        else await this.#update([...this.#dirty]);
      }
    } catch (error) {
      this.options.onError?.(error);
    }
  }

  /** Nothing waits for a node that is away: it may be another one when it comes back, of which other things are known. */
  #isDue(): boolean {
    if (this.#closed || this.#runs === 0 || !this.#isKnown()) return false;
    return this.#compareDue || this.#dirty.size > 0;
  }

  #isKnown(): boolean {
    return this.connection.connected && this.options.known();
  }

  async #compareAll(): Promise<void> {
    this.#compareDue = false;
    const runs = this.#runs;
    try {
      const there = await this.#names();
      if (!this.#isKnown()) throw new Error('the node went away and came back');
      const wanted = this.options.all();
      const isCurrent = this.options.current?.() ?? true;
      const missing = wanted.filter(
        (user) => !this.#isSet(user) || (isCurrent && !there.has(nodeUserName(user.nodeId))),
      );
      await this.#setAll(missing, runs);
      const isComplete = isCurrent && (this.options.complete?.() ?? true);
      const removed = isComplete ? await this.#remove(this.#strangers(there, wanted)) : 0;
      if (missing.length + removed > 0)
        this.options.onReconciled?.({ set: missing.length, removed });
    } catch (error) {
      this.#compareDue = true;
      throw error;
    }
  }

  async #update(nodeIds: readonly string[]): Promise<void> {
    const runs = this.#runs;
    const users = nodeIds.map((nodeId) => ({ nodeId, user: this.options.one(nodeId) }));
    // Off the list first: what changes meanwhile is put on it again.
    for (const nodeId of nodeIds) this.#dirty.delete(nodeId);
    try {
      await this.#remove(users.flatMap(({ nodeId, user }) => (user ? [] : [nodeUserName(nodeId)])));
      await this.#setAll(
        users.flatMap(({ user }) => (user && !this.#isSet(user) ? [user] : [])),
        runs,
      );
    } catch (error) {
      for (const nodeId of nodeIds) this.#dirty.add(nodeId);
      throw error;
    }
  }

  #isSet(user: NodeUser): boolean {
    return this.#set.get(user.nodeId) === fingerprintOf(user);
  }

  /** Users that are there and belong to nobody. */
  #strangers(there: ReadonlySet<string>, wanted: readonly NodeUser[]): readonly string[] {
    const known = new Set(wanted.map(({ nodeId }) => nodeUserName(nodeId)));
    for (const name of [DEFAULT_USER, ...this.options.keep]) known.add(name);
    return [...there].filter((name) => !known.has(name));
  }

  async #names(): Promise<ReadonlySet<string>> {
    const names = await this.connection.run('listing users', (client) => client.acl('USERS'));
    return new Set(names);
  }

  async #setAll(users: readonly NodeUser[], runs: number): Promise<void> {
    for (let start = 0; start < users.length; start += BATCH) {
      const batch = users.slice(start, start + BATCH);
      await this.connection.run('making users', (client) =>
        setUsers(client, batch, this.options.part),
      );
      // Set in a run that is over by now: the new one has its own comparison.
      if (runs !== this.#runs) return;
      for (const user of batch) this.#set.set(user.nodeId, fingerprintOf(user));
    }
  }

  async #remove(names: readonly string[]): Promise<number> {
    for (const name of names) {
      const nodeId = nodeIdOfUser(name);
      if (nodeId !== undefined) this.#set.delete(nodeId);
    }
    let removed = 0;
    for (let start = 0; start < names.length; start += BATCH) {
      const batch = names.slice(start, start + BATCH);
      removed += Number(
        await this.connection.run('removing users', (client) => client.acl('DELUSER', ...batch)),
      );
    }
    return removed;
  }
}

async function setUsers(
  client: Redis,
  users: readonly NodeUser[],
  part: RedisPart | undefined,
): Promise<void> {
  const pipeline: ChainableCommander = client.pipeline();
  for (const user of users)
    pipeline.acl('SETUSER', nodeUserName(user.nodeId), ...nodeUserRules(user, part));
  for (const [error] of (await pipeline.exec()) ?? []) {
    if (error) throw translateError(error, 'making users');
  }
}

function fingerprintOf({ secretHashes }: NodeUser): string {
  return secretHashes.join();
}
