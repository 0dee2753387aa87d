import type { EntrySet, PathEntry } from '../plan/types.js';

/** Whom a part of the rules binds: a program by the path that the kernel sees, or everybody (absent). */
export interface TableSubject {
  readonly path?: string;
  /** All that binds it: the general set and its own. The same set may stand in many subjects. */
  readonly sets: readonly EntrySet[];
  /** What binds it besides while it has a terminal. */
  readonly terminal?: readonly EntrySet[];
}

/** A path entry and the set it is of, by number. */
export interface OwnedEntry {
  readonly set: number;
  readonly entry: PathEntry;
}

/** The subjects with every set changed; those that were shared stay shared. */
export function eachSet(
  subjects: readonly TableSubject[],
  change: (set: EntrySet) => EntrySet,
): readonly TableSubject[] {
  const changed = new Map<EntrySet, EntrySet>();
  const of = (set: EntrySet): EntrySet => {
    const made = changed.get(set) ?? change(set);
    changed.set(set, made);
    return made;
  };
  return subjects.map((subject) => ({ ...subject, sets: subject.sets.map(of) }));
}

/** The distinct entry sets of all subjects, and who has which. */
export class SetIndex {
  readonly sets: readonly EntrySet[];
  private readonly numbers = new Map<EntrySet, number>();
  private readonly owners: number[][] = [];
  private readonly bySubject: readonly ReadonlySet<number>[];

  constructor(subjects: readonly TableSubject[]) {
    this.bySubject = subjects.map(({ sets }, subject) => {
      const numbers = new Set(sets.map((set) => this.number(set)));
      for (const number of numbers) this.owners[number]?.push(subject);
      return numbers;
    });
    this.sets = [...this.numbers.keys()];
  }

  get subjects(): number {
    return this.bySubject.length;
  }

  has(subject: number, set: number): boolean {
    return this.bySubject[subject]?.has(set) ?? false;
  }

  /** Subjects that see these sets otherwise than subject 0 does. */
  differing(sets: Iterable<number>): readonly number[] {
    const found = new Set<number>();
    for (const set of sets) {
      const owners = this.owners[set] ?? [];
      if (owners.length === this.subjects) continue;
      if (!this.has(0, set)) for (const subject of owners) found.add(subject);
      else
        for (let subject = 1; subject < this.subjects; subject++) {
          if (!this.has(subject, set)) found.add(subject);
        }
    }
    return [...found].sort((a, b) => a - b);
  }

  private number(set: EntrySet): number {
    const known = this.numbers.get(set);
    if (known !== undefined) return known;
    this.numbers.set(set, this.owners.length);
    return this.owners.push([]) - 1;
  }
}
