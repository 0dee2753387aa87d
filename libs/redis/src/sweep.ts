/** How fast a sweep goes: all within so many turns, but at most so many a turn. */
export interface SweepPace {
  readonly turns: number;
  readonly most: number;
}

/** Goes round all hosts, a few at a time, for ever; who comes during a round has its turn in the next. */
export class Sweep {
  #round: readonly string[] = [];
  #at = 0;

  constructor(
    private readonly all: () => Iterable<string>,
    private readonly pace: SweepPace,
  ) {}

  /** Those whose turn it is. */
  next(): readonly string[] {
    if (this.#at >= this.#round.length) [this.#round, this.#at] = [[...this.all()], 0];
    const share = Math.ceil(this.#round.length / this.pace.turns);
    const due = this.#round.slice(this.#at, this.#at + Math.min(share, this.pace.most));
    this.#at += due.length;
    return due;
  }
}
