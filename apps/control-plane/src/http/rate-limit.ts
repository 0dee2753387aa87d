/** How many calls of one caller pass: `burst` at once, then one per `refillMs`. */
export interface RateLimitOptions {
  readonly burst: number;
  readonly refillMs: number;
  readonly maxCallers: number;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** Token buckets by caller, bounded: where there are too many callers the longest idle is forgotten. */
export class RateLimit {
  readonly #buckets = new Map<string, Bucket>();

  constructor(private readonly options: RateLimitOptions) {}

  /** Takes one call of `caller` at `nowMs`; answers 0, or the milliseconds until one would pass. */
  take(caller: string, nowMs: number): number {
    const bucket = this.#refilled(caller, nowMs);
    this.#remember(caller, bucket);
    if (bucket.tokens < 1) return Math.ceil((1 - bucket.tokens) * this.options.refillMs);
    bucket.tokens -= 1;
    return 0;
  }

  /** Gives one call back to `caller`. */
  give(caller: string, nowMs: number): void {
    const { tokens, at } = this.#refilled(caller, nowMs);
    this.#remember(caller, { tokens: Math.min(this.options.burst, tokens + 1), at });
  }

  #refilled(caller: string, nowMs: number): Bucket {
    const bucket = this.#buckets.get(caller) ?? { tokens: this.options.burst, at: nowMs };
    const gained = Math.max(0, nowMs - bucket.at) / this.options.refillMs;
    return { tokens: Math.min(this.options.burst, bucket.tokens + gained), at: nowMs };
  }

  #remember(caller: string, bucket: Bucket): void {
    this.#buckets.delete(caller);
    this.#buckets.set(caller, bucket);
    if (this.#buckets.size <= this.options.maxCallers) return;
    const idle = this.#buckets.keys().next();
    if (!idle.done) this.#buckets.delete(idle.value);
  }
}
