import { ProblemError } from './index.js';

/** The shortest and the longest time that somebody is told to stay away. */
const SOONEST_S = 1;
const LATEST_S = 10;

/**
 * Lets so many callers in at once. Who comes beyond that is refused before anything is done for it, and told when to come
 * again: at a time of its own, so that those who came at once do not come at once again.
 */
export class ConcurrencyLimiter {
  #inside = 0;

  constructor(
    private readonly most: number,
    /** At least 0, below 1. */
    private readonly random: () => number = Math.random,
  ) {}

  /** Throws 503 with `retry-after` where there is no room. */
  async run<T>(act: () => Promise<T>): Promise<T> {
    if (this.#inside >= this.most) {
      const seconds = SOONEST_S + Math.floor(this.random() * (LATEST_S - SOONEST_S + 1));
      throw new ProblemError('busy', { headers: { 'retry-after': String(seconds) } });
    }
    this.#inside += 1;
    try {
      return await act();
    } finally {
      this.#inside -= 1;
    }
  }
}
