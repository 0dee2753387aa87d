import type { RedisConnection } from './redis.connection.js';

/** What a node says of itself. */
interface Said {
  readonly isMaster: boolean;
  readonly runId: string;
}

export interface NodeStandingOptions {
  /** To the master that Sentinel has named; undefined while none is known for certain. */
  readonly master: () => RedisConnection | undefined;
  /** How often it looks; default 1,000. */
  readonly everyMs?: number;
  /** Called when `serves` has changed. */
  readonly onChange: () => void;
  readonly onError?: (error: unknown) => void;
}

/** A failover is seen on a node before Sentinel is asked again: so many looks in a row are no accident. */
const LOOKS = 3;

/**
 * Whether hosts may log in to a node. A master that Sentinel does not follow (it was cut off, or came back and has not
 * been told) would take their reports and give them nothing: no host is to have a user there.
 */
export class NodeStanding {
  readonly #timer: NodeJS.Timeout;
  #serves: boolean | undefined;
  #looking = false;
  #strange = 0;

  constructor(
    private readonly node: RedisConnection,
    private readonly options: NodeStandingOptions,
  ) {
    node.whenReady(() => {
      // It may have been started anew: what was known of it counts for nothing.
      this.#serves = undefined;
      void this.#look();
    });
    this.#timer = setInterval(() => void this.#look(), options.everyMs ?? 1_000);
  }

  /** Undefined while it is not known; then users stay as they are. */
  get serves(): boolean | undefined {
    return this.#serves;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Never rejects. */
  async #look(): Promise<void> {
    if (this.#looking || !this.node.connected) return;
    this.#looking = true;
    try {
      this.#take(await this.#isInOrder());
    } catch (error) {
      this.options.onError?.(error);
    } finally {
      this.#looking = false;
    }
  }

  /** Undefined where nobody can tell. */
  async #isInOrder(): Promise<boolean | undefined> {
    const said = await saidBy(this.node);
    if (!said.isMaster) return true;
    const master = this.options.master();
    if (!master?.connected) return undefined;
    return (await saidBy(master)).runId === said.runId;
  }

  #take(inOrder: boolean | undefined): void {
    this.#strange = inOrder === false ? this.#strange + 1 : 0;
    if (inOrder === undefined || inOrder === this.#serves) return;
    if (!inOrder && this.#strange < LOOKS) return;
    this.#serves = inOrder;
    this.options.onChange();
  }
}

async function saidBy(node: RedisConnection): Promise<Said> {
  const [server, replication] = await node.run('asking what it is', (client) =>
    Promise.all([client.info('server'), client.info('replication')]),
  );
  return {
    isMaster: /^role:master/m.test(replication),
    runId: /^run_id:(\S+)/m.exec(server)?.[1] ?? '',
  };
}
