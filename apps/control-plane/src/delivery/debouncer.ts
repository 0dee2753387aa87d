/** One change waits for so long. */
const FIRST_MS = 20;
/** No change waits longer than this. */
const MAX_MS = 160;

/**
 * How long changes are gathered for one round. A window that gathered more than one change, or that the next one follows
 * within the first length, is followed by one twice as long: a hundred changes in a second become ten rounds at most,
 * and six in each second after it. After a pause it begins anew.
 */
export class Debouncer {
  #windowMs = FIRST_MS;
  #endsAtMs = -Infinity;
  /** Since the window began, without the one that it began with. */
  #changes = 0;

  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  /** A change has come. */
  add(): void {
    this.#changes += 1;
  }

  /** A window begins, with the change that has come last; how long it is. */
  begin(): number {
    const nowMs = this.nowMs();
    const pauseMs = this.#changes > 1 ? MAX_MS : FIRST_MS;
    const isBurst = nowMs - this.#endsAtMs <= pauseMs;
    this.#windowMs = isBurst ? Math.min(MAX_MS, 2 * this.#windowMs) : FIRST_MS;
    this.#endsAtMs = nowMs + this.#windowMs;
    this.#changes = 0;
    return this.#windowMs;
  }
}
