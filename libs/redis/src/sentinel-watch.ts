import type { RedisAddress, RedisConnectionOptions } from './connection-options.js';
import { RedisConnection } from './redis.connection.js';

/** What a Sentinel said last; a master that was chosen later has the greater epoch. */
interface Word {
  readonly epoch: bigint;
  readonly master: RedisAddress;
}

/** How a watch stands. */
export interface SentinelStanding {
  readonly name: string;
  readonly sentinels: number;
  /** Those that answer now. */
  readonly answering: number;
  readonly master?: RedisAddress;
  /** Why the newest word is not followed, or nobody answers. */
  readonly problem?: string;
}

export interface SentinelWatchOptions {
  readonly sentinels: readonly RedisAddress[];
  /** How Sentinel calls the master and its replicas. */
  readonly name: string;
  /** The same for every Sentinel. */
  readonly login: Omit<RedisConnectionOptions, 'host' | 'port' | 'candidates' | 'masterOnly'>;
  /** Nodes that may be the master: one that is none of them is not believed, since its users are not kept. */
  readonly nodes: readonly RedisAddress[];
  /** How often each is asked; default 1,000. */
  readonly everyMs?: number;
  /** Called when another node is the master. */
  readonly onSwitch: (master: RedisAddress) => void;
  /** Of a Sentinel that answers with nothing of use, or with a node that is not known: once, until that changes. */
  readonly onError?: (error: unknown) => void;
}

/**
 * Which node is the master, by the newest word of all Sentinels that were ever reached: one that was cut off from the
 * others and still names the master of before is not believed against them.
 */
export class SentinelWatch {
  readonly #connections: readonly RedisConnection[];
  readonly #words = new Map<RedisConnection, Word>();
  readonly #timer: NodeJS.Timeout;
  #master: RedisAddress | undefined;
  /** What is wrong with the answers of each, and with what they say together. */
  readonly #wrong = new Map<RedisConnection | 'all', string>();

  constructor(private readonly options: SentinelWatchOptions) {
    const { sentinels, login, everyMs = 1_000 } = options;
    this.#connections = sentinels.map((at) => new RedisConnection({ ...login, ...at }));
    for (const connection of this.#connections)
      connection.whenReady(() => void this.#ask(connection));
    this.#timer = setInterval(() => {
      for (const connection of this.#connections) void this.#ask(connection);
    }, everyMs);
  }

  /** Undefined before any Sentinel has named one that may be it. */
  get master(): RedisAddress | undefined {
    return this.#master;
  }

  get standing(): SentinelStanding {
    const { name } = this.options;
    const answering = this.#connections.filter((each) => each.connected && !this.#wrong.has(each));
    const lastError = this.#connections.find((each) => each.lastError)?.lastError?.message;
    const none = [...this.#wrong.values()].at(0) ?? lastError ?? 'none has answered yet';
    const problem = this.#wrong.get('all') ?? (answering.length === 0 ? none : undefined);
    const [sentinels, master] = [this.#connections.length, this.#master];
    return { name, sentinels, answering: answering.length, master, problem };
  }

  /** Where to look for the master: where Sentinel says, and before it has said anything, at every node. */
  get candidates(): readonly RedisAddress[] {
    return this.#master ? [this.#master] : this.options.nodes;
  }

  /** To each Sentinel; whose certificate is to be renewed with those to Redis. */
  get connections(): readonly RedisConnection[] {
    return this.#connections;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const connection of this.#connections) connection.close();
  }

  /** Never rejects. */
  async #ask(connection: RedisConnection): Promise<void> {
    const { name } = this.options;
    if (!connection.connected) return;
    try {
      const answer = await connection.run(`asking Sentinel for ${name}`, (client) =>
        client.call('SENTINEL', 'MASTER', name),
      );
      this.#words.set(connection, wordOf(answer, name));
      this.#wrong.delete(connection);
    } catch (error) {
      this.#tell(connection, error);
      return;
    }
    this.#decide();
  }

  #decide(): void {
    const newest = [...this.#words.values()].reduce((best, word) =>
      word.epoch > best.epoch ? word : best,
    );
    const { nodes } = this.options;
    const found = nodes.find((node) => isSame(node, newest.master));
    if (found === undefined) return this.#tell('all', new UnknownMaster(newest.master, nodes));
    this.#wrong.delete('all');
    if (this.#master && isSame(found, this.#master)) return;
    this.#master = found;
    this.options.onSwitch(found);
  }

  #tell(of: RedisConnection | 'all', error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (this.#wrong.get(of) === message) return;
    this.#wrong.set(of, message);
    this.options.onError?.(error);
  }
}

/** Sentinel follows a node that is not in the configuration. */
class UnknownMaster extends Error {
  override readonly name = 'UnknownMaster';
  constructor({ host, port }: RedisAddress, nodes: readonly RedisAddress[]) {
    const known = nodes.map((node) => `${node.host}:${node.port}`).join(', ');
    super(
      `Sentinel says that the master is ${host}:${port}, and known are ${known}: name it, as Sentinel does, in redis.replicas (or redis.host)`,
    );
  }
}

/** RESP3 answers a map, which the client gives as an object, or as names and values in turn. */
function wordOf(answer: unknown, name: string): Word {
  const fields = new Map<unknown, unknown>(
    Array.isArray(answer) ? pairsOf(answer) : Object.entries({ ...(answer as object) }),
  );
  const [host, port, epoch] = ['ip', 'port', 'config-epoch'].map((key) => fields.get(key));
  if (typeof host === 'string' && /^\d+$/.test(String(port)) && /^\d+$/.test(String(epoch)))
    return { master: { host, port: Number(port) }, epoch: BigInt(String(epoch)) };
  throw new Error(`Sentinel does not say which node is the master of ${name}`);
}

function pairsOf(flat: readonly unknown[]): [unknown, unknown][] {
  return flat.flatMap((key, index) => (index % 2 === 0 ? [[key, flat[index + 1]]] : []));
}

function isSame(one: RedisAddress, other: RedisAddress): boolean {
  return one.host === other.host && one.port === other.port;
}
