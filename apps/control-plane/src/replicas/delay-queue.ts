/** Work that another replica does first: given back after two to three turns, when most of it is done. */
export class DelayQueue {
  #turns: readonly [ReadonlySet<string>, ReadonlySet<string>] = [new Set(), new Set()];
  #now = new Set<string>();

  /** Holds each host once, however often it is added. */
  add(nodeId: string): void {
    const [first, second] = this.#turns;
    if (!first.has(nodeId) && !second.has(nodeId)) this.#now.add(nodeId);
  }

  /** One turn; what was added before the last two. */
  due(): ReadonlySet<string> {
    const [first, second] = this.#turns;
    this.#turns = [second, this.#now];
    this.#now = new Set();
    return first;
  }
}
