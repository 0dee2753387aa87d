import { networkOf } from '../http/source-network.js';
import { RateLimit } from '../http/rate-limit.js';

const MAX_KNOWN = 10_000;

/**
 * Slows guessing: by account and source together, by source alone, and by account alone. The last is generous, so that
 * a stranger who guesses at a name can hardly keep its owner out. In memory, of bounded size.
 */
export class Attempts {
  readonly #pair = new RateLimit({ burst: 5, refillMs: 30_000, maxCallers: MAX_KNOWN });
  readonly #source = new RateLimit({ burst: 20, refillMs: 6_000, maxCallers: MAX_KNOWN });
  readonly #account = new RateLimit({ burst: 100, refillMs: 6_000, maxCallers: MAX_KNOWN });

  /** Counts a try beforehand, so that many at once gain nothing; answers ms to wait, 0 where it may go on. */
  take(account: string, source: string, nowMs: number): number {
    const near = networkOf(source);
    // One after the other: what the first refuses is no try of the account, which one place could use up otherwise.
    return (
      this.#pair.take(`${account} ${near}`, nowMs) ||
      this.#source.take(near, nowMs) ||
      this.#account.take(account, nowMs)
    );
  }

  /** Gives a try back that was right. */
  right(account: string, source: string, nowMs: number): void {
    const near = networkOf(source);
    this.#pair.give(`${account} ${near}`, nowMs);
    this.#source.give(near, nowMs);
    this.#account.give(account, nowMs);
  }
}
