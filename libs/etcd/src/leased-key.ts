/** The calls of a lease, each with a deadline of its own. */
export interface LeaseCalls {
  /** A new lease; its id. */
  grant(ttlMs: number): Promise<string>;
  /** Binds the key, with this value, to the lease. */
  bind(key: string, value: string, lease: string): Promise<void>;
  /** False where etcd does not know the lease any more. */
  keepAlive(lease: string): Promise<boolean>;
  revoke(lease: string): Promise<void>;
}

/**
 * A key that is there for as long as its holder is: bound to a lease of `ttlMs` that is kept alive every third of it. The
 * holder gives it up by itself at two thirds, measured by a clock that nobody sets, from the moment at which the last
 * call that succeeded was sent; so it has stopped before etcd lets the key go, whatever becomes of the link.
 */
export class LeasedKey {
  #lease: string | undefined;
  #keptAtMs = -Infinity;
  #timer: NodeJS.Timeout | undefined;
  #keeping: Promise<void> | undefined;
  #stopped = false;
  #word = '';
  #said = '';

  constructor(
    private readonly calls: LeaseCalls,
    private readonly key: string,
    private readonly ttlMs: number,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** The lease under which it is held, the first word of the key's value; undefined while it is not held for sure. */
  get heldAs(): string | undefined {
    return this.nowMs() - this.#keptAtMs < (this.ttlMs * 2) / 3 ? this.#lease : undefined;
  }

  /** The key's value has this word behind the lease from the next turn on. */
  say(word: string): void {
    this.#word = word;
  }

  /** Takes the key and keeps it, trying again for ever. */
  start(): void {
    if (this.#stopped) return;
    this.#keeping = this.keep()
      // What cannot be kept is given up by time; the next turn tries again.
      .catch(() => undefined)
      .finally(() => {
        if (!this.#stopped) this.#timer = setTimeout(() => this.start(), this.ttlMs / 3);
      });
  }

  /** One turn: keeps the lease alive, or takes a new one. */
  async keep(): Promise<void> {
    const sentAtMs = this.nowMs();
    if (this.#lease !== undefined) {
      if (await this.calls.keepAlive(this.#lease)) this.#keptAtMs = sentAtMs;
      else this.#lease = undefined;
    }
    if (this.#lease === undefined) await this.#take(sentAtMs);
    else if (this.#said !== this.#word) await this.#bind(this.#lease);
  }

  /** Gives the key up. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#keeping;
    const lease = this.#lease;
    this.#lease = undefined;
    // It ends by itself where it cannot be revoked.
    if (lease !== undefined) await this.calls.revoke(lease).catch(() => undefined);
  }

  async #take(sentAtMs: number): Promise<void> {
    const lease = await this.calls.grant(this.ttlMs);
    await this.#bind(lease);
    this.#lease = lease;
    this.#keptAtMs = sentAtMs;
  }

  async #bind(lease: string): Promise<void> {
    const word = this.#word;
    await this.calls.bind(this.key, `${lease} ${word}`.trimEnd(), lease);
    this.#said = word;
  }
}
