import type { Placed } from './rule-entries.js';

/** Entries in the order in which they were added: those of one exact path by it, so that thousands are asked at once. */
export class EntriesByPath {
  readonly exact = new Map<string, Placed[]>();
  /** Those of directories, patterns and names. */
  readonly wide: Placed[] = [];

  add(entry: Placed): void {
    if (entry.object.type !== 'exact') {
      this.wide.push(entry);
      return;
    }
    const known = this.exact.get(entry.object.path);
    if (known === undefined) this.exact.set(entry.object.path, [entry]);
    else known.push(entry);
  }
}
