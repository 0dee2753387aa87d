import { setTimeout as sleep } from 'node:timers/promises';

const BASE_MS = 100;

/** Full jitter: each wait is uniform between 0 and a ceiling that doubles, so that a fleet never retries in step. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly maxMs: number,
    private readonly random: () => number,
  ) {}

  /** Length of the next wait; each call counts as one more failure. */
  nextMs(): number {
    const ceiling = Math.min(this.maxMs, BASE_MS * 2 ** Math.min(this.failures, 20));
    this.failures += 1;
    return this.random() * ceiling;
  }

  /** Waits, or returns early when the signal fires. */
  async wait(signal: AbortSignal): Promise<void> {
    await sleep(this.nextMs(), undefined, { signal }).catch(() => undefined);
  }

  reset(): void {
    this.failures = 0;
  }
}
