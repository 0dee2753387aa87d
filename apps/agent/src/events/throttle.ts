/** Bounds of the throttle; `limit` per `windowMs` and key, at most `maxKeys` windows in memory. */
export interface ThrottleLimits {
  readonly limit: number;
  readonly windowMs: number;
  readonly maxKeys: number;
}

const THROTTLE_LIMITS: ThrottleLimits = { limit: 10, windowMs: 1000, maxKeys: 4096 };

/** What goes on; `suppressed` counts the like events that did not since the last one that did. */
export interface Passed<T> {
  readonly item: T;
  readonly suppressed: number;
}

interface Window<T> {
  startedAt: number;
  passed: number;
  suppressed: number;
  last: T | undefined;
}

/**
 * Lets the first `limit` events of each (rule, process) and window pass and counts the rest into the next record,
 * so that a noisy process hides no other (each key has its own window) and no number is lost (see `flush`).
 * Beyond `maxKeys` a new process shares the window of its rule: many short-lived paths cannot exhaust memory.
 */
export class Throttle<T> {
  readonly #windows = new Map<string, Window<T>>();

  constructor(private readonly limits: ThrottleLimits = THROTTLE_LIMITS) {}

  /**
   * The event with the number suppressed before it, or undefined where it is itself suppressed. `before` are those that
   * its sender left out.
   */
  offer(rule: string, process: string, item: T, now: number, before = 0): Passed<T> | undefined {
    const window = this.#windowOf(rule, process, now);
    if (now - window.startedAt >= this.limits.windowMs || now < window.startedAt) {
      Object.assign(window, { startedAt: now, passed: 0 });
    }
    if (window.passed >= this.limits.limit) {
      window.suppressed += 1 + before;
      window.last = item;
      return undefined;
    }
    window.passed += 1;
    const { suppressed } = window;
    Object.assign(window, { suppressed: 0, last: undefined });
    return { item, suppressed: suppressed + before };
  }

  /** Closes windows that are over; one that suppressed gives its last event, which stands for the others. */
  flush(now: number): Passed<T>[] {
    const passed: Passed<T>[] = [];
    for (const [key, window] of this.#windows) {
      if (now - window.startedAt < this.limits.windowMs && now >= window.startedAt) continue;
      if (window.last !== undefined)
        passed.push({ item: window.last, suppressed: window.suppressed - 1 });
      this.#windows.delete(key);
    }
    return passed;
  }

  #windowOf(rule: string, process: string, now: number): Window<T> {
    const own = `${rule}\0${process}`;
    const key = this.#windows.has(own) || this.#windows.size < this.limits.maxKeys ? own : rule;
    const window = this.#windows.get(key) ?? {
      startedAt: now,
      passed: 0,
      suppressed: 0,
      last: undefined,
    };
    this.#windows.set(key, window);
    return window;
  }
}
