import { isFirst, usualMsOf } from './vm-order.js';

/**
 * Which file with VMs is begun next, so that all that are begun end in time. Emulated machines are two to three times as
 * slow on one computer as on another: how much slower this one is than usual, those that have ended say.
 */
export class VmTurns {
  readonly #waiting: Set<string>;
  #tookMs = 0;
  #usualMs = 0;

  /** `endBefore`, by Date.now, is for all but the first ones, without which a run says too little. */
  constructor(
    inOrder: readonly string[],
    private readonly endBefore = Infinity,
  ) {
    this.#waiting = new Set(inOrder);
  }

  /** The next one that will have ended in time; undefined where none of those that wait will. */
  next(nowMs: number): string | undefined {
    const next = this.#waiting.values().find((file) => isFirst(file) || this.#fits(file, nowMs));
    if (next !== undefined) this.#waiting.delete(next);
    return next;
  }

  /** To be told of each that has ended. */
  ended(file: string, tookMs: number): void {
    this.#tookMs += tookMs;
    this.#usualMs += usualMsOf(file);
  }

  /** Those that were not begun. */
  get left(): readonly string[] {
    return [...this.#waiting];
  }

  #fits(file: string, nowMs: number): boolean {
    const slowness = this.#usualMs === 0 ? 1 : this.#tookMs / this.#usualMs;
    return nowMs + usualMsOf(file) * slowness <= this.endBefore;
  }
}
