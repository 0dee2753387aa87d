import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';

/** No nudge for so long: all have come. */
const QUIET_MS = 30;
/** A fleet that is nudged without an end reports too. */
const AT_MOST_MS = 10_000;
/** Go on at once, so that what comes in meanwhile is seen; so few nudges hold nobody up. */
const AT_ONCE = 16;

interface Waiting {
  readonly since: number;
  readonly resolve: () => void;
}

/**
 * What a host does after a change has come (it reports, and confirms by new connections) costs more than the coming
 * itself. On a real fleet each host does it on its own processor; in one process of thousands it would hold up the nudges
 * of all others, so it waits until they have theirs.
 */
export class NudgesFirst {
  readonly #waiting: Waiting[] = [];
  #nudgedAt = -QUIET_MS;
  /** Nudges with less than QUIET_MS between them. */
  #burst = 0;
  #isDraining = false;
  /** Whether hosts wait with the nudges themselves too, so that when each arrives says nothing of the work of others. */
  isHolding = false;

  /** A nudge has come to one of the hosts. */
  came(): void {
    this.#burst = this.#quietInMs() > 0 ? this.#burst + 1 : 1;
    this.#nudgedAt = performance.now();
  }

  /** Resolves when no nudges come, in the order of asking, ten seconds later at most. */
  turn(): Promise<void> {
    const isQuiet = this.#burst <= AT_ONCE || this.#quietInMs() <= 0;
    if (this.#waiting.length === 0 && isQuiet) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push({ since: performance.now(), resolve });
      if (!this.#isDraining) void this.#drain();
    });
  }

  #quietInMs(): number {
    return this.#nudgedAt + QUIET_MS - performance.now();
  }

  async #drain(): Promise<void> {
    this.#isDraining = true;
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const waitMs = Math.min(this.#quietInMs(), first.since + AT_MOST_MS - performance.now());
      if (waitMs > 0) {
        await delay(waitMs);
        continue;
      }
      for (const { resolve } of this.#waiting.splice(0, AT_ONCE)) resolve();
      await nextTurn();
    }
    this.#isDraining = false;
  }
}
