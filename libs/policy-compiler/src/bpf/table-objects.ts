import { isOnPrograms } from '../plan/conflicts.js';
import { type Glob, GlobError, parseGlob } from '../resolve/glob.js';
import { IMPLIED } from '../resolve/precedence.js';
import type { PathEntry } from '../plan/types.js';
import type { NumberedGlob } from './split.js';
import type { OwnedEntry, SetIndex } from './subjects.js';

/** A distinct glob of one group of rules, and whose entries it has. */
export interface TableObject extends NumberedGlob {
  readonly entries: OwnedEntry[];
  readonly group: ObjectGroup;
  implied: boolean;
}

type ObjectGroup = 'files' | 'programs' | 'above' | 'queries';

/** A rule that is not in the table: no part of it is. */
export interface RefusedRule {
  readonly rule: number;
  readonly reason: string;
}

/**
 * The distinct globs of all sets, by their numbers. Rules on programs stand apart from those on files, so that an open
 * walks no automaton of programs; and directories above blocked objects from both, of which only moves and mounts ask;
 * and names of DNS, which are no paths.
 */
export class TableObjects {
  readonly all: TableObject[] = [];
  readonly refused: RefusedRule[] = [];
  private readonly numbers = new Map<string, number>();

  constructor({ sets }: SetIndex) {
    for (const [set, { paths }] of sets.entries()) {
      for (const entry of paths) this.add({ set, entry });
    }
  }

  of(group: ObjectGroup): readonly TableObject[] {
    return this.all.filter((object) => object.group === group);
  }

  private add(owned: OwnedEntry): void {
    const { glob } = owned.entry;
    const group = groupOf(owned.entry);
    const key = `${group}${glob}`;
    const known = this.all[this.numbers.get(key) ?? -1];
    const made = known ?? this.make(key, owned, group);
    if (made === undefined) return;
    made.entries.push(owned);
    made.implied ||= owned.entry.rank === IMPLIED;
  }

  private make(key: string, { entry }: OwnedEntry, group: ObjectGroup): TableObject | undefined {
    const glob = this.parse(entry);
    if (glob === undefined) return undefined;
    const made = { id: this.all.length, glob, entries: [], group, implied: false };
    this.numbers.set(key, made.id);
    this.all.push(made);
    return made;
  }

  private parse({ glob, rule }: PathEntry): Glob | undefined {
    try {
      return parseGlob(glob);
    } catch (error) {
      if (!(error instanceof GlobError)) throw error;
      this.refused.push({ rule, reason: `${JSON.stringify(glob)} ${error.message}` });
      return undefined;
    }
  }
}

function groupOf(entry: PathEntry): ObjectGroup {
  const { perms } = entry;
  if (perms.includes('q')) return 'queries';
  if (isOnPrograms(entry)) return 'programs';
  return /[ao]/.test(perms) ? 'above' : 'files';
}
