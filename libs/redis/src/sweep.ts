/** Goes round all hosts in so many turns, for ever; who comes during a round has its turn in the next. */
export class Sweep {
  #round: readonly string[] = [];
  #at = 0;

  constructor(
    private readonly all: () => Iterable<string>,
    private readonly turns: number,
  ) {}

  /** Those whose turn it is. */
  next(): readonly string[] {
    if (this.#at >= this.#round.length) [this.#round, this.#at] = [[...this.all()], 0];
    const share = Math.ceil(this.#round.length / this.turns);
    const due = this.#round.slice(this.#at, this.#at + share);
    this.#at += due.length;
    return due;
  }
}
