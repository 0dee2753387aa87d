/** A decoded record and the etcd revision at which it was last written. */
export interface Stored<T> {
  readonly record: T;
  readonly revision: bigint;
}

/** Records of one kind by name. */
export class Shelf<T> {
  readonly #items = new Map<string, Stored<T>>();
  #sorted: readonly (Stored<T> & { readonly name: string })[] | undefined;

  get(name: string): Stored<T> | undefined {
    return this.#items.get(name);
  }

  set(name: string, stored: Stored<T>): void {
    this.#items.set(name, stored);
    this.#sorted = undefined;
  }

  delete(name: string): Stored<T> | undefined {
    const found = this.#items.get(name);
    if (this.#items.delete(name)) this.#sorted = undefined;
    return found;
  }

  /** All in order of their names; made once after each change. */
  sorted(): readonly (Stored<T> & { readonly name: string })[] {
    this.#sorted ??= [...this.#items]
      .map(([name, stored]) => ({ name, ...stored }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return this.#sorted;
  }

  get size(): number {
    return this.#items.size;
  }
}
