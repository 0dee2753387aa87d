import { jittered, type Clock } from './clock.js';

/**
 * When the control plane is asked again for what a hint tells sooner. A host that has just started does not know yet how
 * large its fleet is: once it finds out it waits longer, also where it waits already. What becomes shorter ends no wait.
 */
export class AskAgain {
  #asked: { readonly at: number; readonly random: number; waitMs: number } | undefined;

  constructor(
    private readonly everyMs: () => number,
    private readonly clock: Clock,
  ) {}

  isDue(): boolean {
    const asked = this.#asked;
    if (asked === undefined) return true;
    asked.waitMs = Math.max(asked.waitMs, jittered(this.everyMs(), asked.random));
    return this.clock.elapsed() >= asked.at + asked.waitMs;
  }

  /** It is asked now; each wait has a chance of its own. */
  begin(): void {
    this.#asked = { at: this.clock.elapsed(), random: this.clock.random(), waitMs: 0 };
  }

  /** It is due, whenever it was asked last. */
  hurry(): void {
    this.#asked = undefined;
  }
}
