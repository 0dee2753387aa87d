/** How far behind the last place a place is looked for: nearer to it than the first gap of all. */
const WINDOW = 64;

/** A sequence of slots in which rows with gaps are laid over each other. */
export class Slots {
  private used = new Uint8Array(1 << 12);
  private lowest = 0;
  private last = 0;
  /** The first slot behind all that are used. */
  end = 0;

  /** Takes the slots at these distances from a base, all free; gives the base. */
  take(distances: readonly number[]): number {
    let base = distances.length === 1 ? this.lowest : Math.max(this.lowest, this.last - WINDOW);
    base = Math.max(0, base - (distances[0] ?? 0));
    while (!this.fits(base, distances)) base += 1;
    for (const distance of distances) this.mark(base + distance);
    while (this.used[this.lowest] === 1) this.lowest += 1;
    this.last = base;
    return base;
  }

  private fits(base: number, distances: readonly number[]): boolean {
    for (const distance of distances) if (this.used[base + distance] === 1) return false;
    return true;
  }

  private mark(slot: number): void {
    while (slot >= this.used.length) {
      const grown = new Uint8Array(this.used.length * 2);
      grown.set(this.used);
      this.used = grown;
    }
    this.used[slot] = 1;
    this.end = Math.max(this.end, slot + 1);
  }
}
