/** Numbers by time, the earliest first; of equal times the one that came first. */
export class TimeHeap {
  readonly #times: number[] = [];
  readonly #orders: number[] = [];
  readonly #values: number[] = [];
  #next = 0;

  get size(): number {
    return this.#times.length;
  }

  push(time: number, value: number): void {
    let at = this.#times.length;
    const order = this.#next;
    this.#next += 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.#isLater(above, time, order)) break;
      this.#move(above, at);
      at = above;
    }
    this.#put(at, time, order, value);
  }

  pop(): { readonly time: number; readonly value: number } | undefined {
    const [time, value] = [this.#times[0], this.#values[0]];
    const [lastTime, lastOrder, lastValue] = [
      this.#times.pop(),
      this.#orders.pop(),
      this.#values.pop(),
    ];
    if (time === undefined || value === undefined) return undefined;
    if (this.#times.length > 0) this.#sink(lastTime ?? 0, lastOrder ?? 0, lastValue ?? 0);
    return { time, value };
  }

  #sink(time: number, order: number, value: number): void {
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= this.#times.length) break;
      const other = below + 1;
      if (
        other < this.#times.length &&
        this.#isLater(below, this.#times[other] ?? 0, this.#orders[other] ?? 0)
      )
        below = other;
      if (this.#isLater(below, time, order)) break;
      this.#move(below, at);
      at = below;
    }
    this.#put(at, time, order, value);
  }

  #isLater(at: number, time: number, order: number): boolean {
    const here = this.#times[at] ?? 0;
    return here > time || (here === time && (this.#orders[at] ?? 0) > order);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from] ?? 0, this.#orders[from] ?? 0, this.#values[from] ?? 0);
  }

  #put(at: number, time: number, order: number, value: number): void {
    this.#times[at] = time;
    this.#orders[at] = order;
    this.#values[at] = value;
  }
}
