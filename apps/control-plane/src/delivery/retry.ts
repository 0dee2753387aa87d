const FIRST_MS = 100;
const MAX_MS = 5_000;

/** Capped waits with full jitter between attempts. */
export class Retry {
  #failures = 0;
  #delayMs = 0;

  constructor(
    private readonly random: () => number = Math.random,
    private readonly maxMs = MAX_MS,
  ) {}

  /** What to wait before the next attempt; 0 after a success. */
  get delayMs(): number {
    return this.#delayMs;
  }

  failed(): void {
    const ceiling = Math.min(this.maxMs, FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
    this.#delayMs = Math.max(20, Math.floor(this.random() * ceiling));
  }

  succeeded(): void {
    this.#failures = 0;
    this.#delayMs = 0;
  }
}
