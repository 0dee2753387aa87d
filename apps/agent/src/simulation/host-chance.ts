import { SeededRandom } from '#contracts';

/** Chance on a simulated host: the n-th draw of a kind is the same for the same seed, however many there were of the other. */
export class HostChance {
  readonly #loads: SeededRandom;
  readonly #nudges: SeededRandom;

  constructor(seed: number) {
    const random = new SeededRandom(seed);
    this.#loads = new SeededRandom(random.below(2 ** 32));
    this.#nudges = new SeededRandom(random.below(2 ** 32));
  }

  /** Whether the next rule set fails to load. */
  fails(probability: number): boolean {
    return this.#loads.fraction() < probability;
  }

  /** How long the next nudge waits: `ms`, and up to half more or less. */
  latencyMs(ms: number): number {
    return ms * (0.5 + this.#nudges.fraction());
  }
}
