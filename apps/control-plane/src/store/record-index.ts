import { Relation } from '#policy-model';
import { firstAfter } from '../http/by-name.js';

/** A decoded record and the etcd revision at which it was last written. */
export interface Stored<T> {
  readonly record: T;
  readonly revision: bigint;
}

/** The same with its name. */
export type Item<T> = Stored<T> & { readonly name: string };

/** Names by what was said of their records. */
interface Found<K extends string> {
  of(key: K): ReadonlySet<string>;
  countOf(key: K): number;
  /** All under which there is one. */
  keys(): readonly string[];
}

/** Records of one kind by name. A change costs a search in their order, whatever their number. */
export class RecordIndex<T> {
  readonly #items = new Map<string, Item<T>>();
  readonly #sorted: Item<T>[] = [];
  readonly #finders: ((name: string, before?: T, after?: T) => void)[] = [];

  get(name: string): Item<T> | undefined {
    return this.#items.get(name);
  }

  set(name: string, { record, revision }: Stored<T>): void {
    const item = { name, record, revision };
    const after = firstAfter(this.#sorted, name);
    if (this.#items.has(name)) this.#sorted[after - 1] = item;
    else this.#sorted.splice(after, 0, item);
    for (const file of this.#finders) file(name, this.#items.get(name)?.record, record);
    this.#items.set(name, item);
  }

  delete(name: string): Item<T> | undefined {
    const found = this.#items.get(name);
    if (!found) return undefined;
    this.#sorted.splice(firstAfter(this.#sorted, name) - 1, 1);
    this.#items.delete(name);
    for (const file of this.#finders) file(name, found.record);
    return found;
  }

  clear(): void {
    for (const name of [...this.#items.keys()]) this.delete(name);
  }

  /** All in order of their names. It is the list itself: not for keeping, nor for going over while the index changes. */
  sorted(): readonly Item<T>[] {
    return this.#sorted;
  }

  /** Names by what `keysOf` says of their records, without a look at the others. For an index that is empty still. */
  findBy<K extends string>(keysOf: (record: T) => readonly K[]): Found<K> {
    const names = new Relation();
    this.#finders.push((name, before, after) => {
      for (const key of before ? keysOf(before) : []) names.put(key, name, false);
      for (const key of after ? keysOf(after) : []) names.put(key, name, true);
    });
    return {
      of: (key) => names.rightsOf(key),
      countOf: (key) => names.countOf(key),
      keys: () => names.lefts(),
    };
  }

  get size(): number {
    return this.#items.size;
  }
}
