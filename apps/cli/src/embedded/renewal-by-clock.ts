/** Leaf certificates live a day and are made anew at half of that; who uses them takes new ones in by itself (ADR-0004). */
const RENEW_EVERY_MS = 2 * 3_600_000;

/**
 * When certificates are looked at again: by the clock that they go by, which jumps where the machine has slept, and goes
 * back where it was ahead. What failed is tried again at the next look.
 */
export class RenewalByClock {
  #renewedAt: number | undefined;

  /** `renew` says whether it is done; it has just been, at the start. */
  constructor(
    private readonly renew: () => Promise<boolean>,
    private readonly nowMs: () => number,
  ) {
    this.#renewedAt = nowMs();
  }

  async look(): Promise<void> {
    if (this.#renewedAt !== undefined) {
      const agoMs = this.nowMs() - this.#renewedAt;
      if (agoMs >= 0 && agoMs < RENEW_EVERY_MS) return;
    }
    this.#renewedAt = this.nowMs();
    if (!(await this.renew())) this.#renewedAt = undefined;
  }
}
