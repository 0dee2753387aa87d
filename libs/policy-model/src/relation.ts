/** A set of pairs (left, right) that answers from both sides; cost of each call is what it touches. */
export class Relation {
  readonly #byLeft = new Map<string, Set<string>>();
  readonly #byRight = new Map<string, Set<string>>();

  /** Adds or removes a pair; true if that changed anything. */
  put(left: string, right: string, related: boolean): boolean {
    if (this.has(left, right) === related) return false;
    if (related) {
      addTo(this.#byLeft, left, right);
      addTo(this.#byRight, right, left);
    } else {
      removeFrom(this.#byLeft, left, right);
      removeFrom(this.#byRight, right, left);
    }
    return true;
  }

  has(left: string, right: string): boolean {
    return this.#byLeft.get(left)?.has(right) ?? false;
  }

  /** All that something is on the right of. */
  lefts(): readonly string[] {
    return [...this.#byLeft.keys()];
  }

  /** How many are on the right of `left`. */
  countOf(left: string): number {
    return this.#byLeft.get(left)?.size ?? 0;
  }

  /** A copy, safe to keep and to change the relation by. */
  rightsOf(left: string): Set<string> {
    return new Set(this.#byLeft.get(left));
  }

  /** A copy, safe to keep and to change the relation by. */
  leftsOf(right: string): Set<string> {
    return new Set(this.#byRight.get(right));
  }
}

/** Adds a value to the set at a key, making the set if need be. */
export function addTo(map: Map<string, Set<string>>, key: string, value: string): void {
  const set = map.get(key);
  if (set === undefined) map.set(key, new Set([value]));
  else set.add(value);
}

/** Removes a value from the set at a key, and the set with its last value, so that nothing grows for ever. */
export function removeFrom(map: Map<string, Set<string>>, key: string, value: string): void {
  const set = map.get(key);
  set?.delete(value);
  if (set?.size === 0) map.delete(key);
}
