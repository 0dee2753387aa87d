/** Numbers that look random and are the same for the same seed (splitmix32): what they brought about can be made again. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 up to, and without, `limit`. */
  below(limit: number): number {
    return limit <= 0 ? 0 : this.#next() % limit;
  }

  /** At least 0, below 1. */
  fraction(): number {
    return this.below(1 << 30) / (1 << 30);
  }

  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  /** One of these; throws where there are none. */
  pick<T>(from: readonly T[]): T {
    const index = this.below(from.length);
    const picked = from[index];
    if (picked === undefined && !(index in from)) throw new RangeError('nothing to pick from');
    return picked as T;
  }

  #next(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }
}
