import { Retry } from './retry.js';

interface Tried {
  readonly retry: Retry;
  readonly nextAtMs: number;
}

/** Hosts in whose way something is: each is tried again at a time of its own, so that it holds up no other. */
export class RetryQueue {
  readonly #hosts = new Map<string, Tried>();
  #share = 0;

  constructor(
    private readonly nowMs: () => number = () => performance.now(),
    private readonly random: () => number = Math.random,
  ) {}

  get size(): number {
    return this.#hosts.size;
  }

  /** Whether it is not time yet to try it again. */
  isWaiting(node: string): boolean {
    return (this.#hosts.get(node)?.nextAtMs ?? -Infinity) > this.nowMs();
  }

  /** These could not be written for; those that fail together are tried again together. */
  failed(nodes: Iterable<string>): void {
    this.#share = this.random();
    for (const node of nodes) {
      const { retry } = this.#hosts.get(node) ?? { retry: new Retry(() => this.#share) };
      retry.failed();
      this.#hosts.set(node, { retry, nextAtMs: this.nowMs() + retry.delayMs });
    }
  }

  /** It was written for, or something has changed for it. */
  end(node: string): void {
    this.#hosts.delete(node);
  }

  clear(): void {
    this.#hosts.clear();
  }
}
