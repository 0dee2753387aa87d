import { compileGlob } from '../resolve/glob.js';
import type { AllowList, CellEntry, EntrySet, ListClass, PathEntry, Who } from './types.js';

/** Who asks, for rules with ownerOnly: the owner of the file or another. */
export type Asker = 'owner' | 'other';

export interface Verdict {
  readonly allowed: boolean;
  /** The entry that decided; absent where no rule speaks of the object. */
  readonly entry?: PathEntry | CellEntry;
  /** All that deny it and are stronger than what allows it: the strongest, which decided, first. */
  readonly denials: readonly (PathEntry | CellEntry)[];
  /** The allow-list that decided, where no rule did. */
  readonly list?: AllowList;
  /** Entries that only watch. */
  readonly audits: readonly (PathEntry | CellEntry)[];
}

/** An entry set with its matchers, so that each glob is compiled once. */
export class Evaluator {
  private readonly matchers: readonly { entry: PathEntry; matches: (path: string) => boolean }[];

  constructor(private readonly sets: readonly EntrySet[]) {
    this.matchers = sets.flatMap((set) =>
      set.paths.map((entry) => ({ entry, matches: matcherFor(entry.glob) })),
    );
  }

  /** Verdict on one permission letter of one path; of an exec, with these arguments behind the program's name. */
  path(path: string, perm: string, asker: Asker, args: readonly string[] = []): Verdict {
    const entries = this.matchers.filter(
      ({ entry, matches }) =>
        entry.perms.includes(perm) &&
        concerns(entry.who, asker) &&
        speaksOf(entry, args) &&
        matches(path),
    );
    return this.decide(
      entries.map(({ entry }) => entry),
      listClassOf(perm),
    );
  }

  /** Verdict on a capability or a kind of socket, named as in CellEntry. */
  cell(cell: string): Verdict {
    const entries = this.sets.flatMap((set) => set.cells.filter((entry) => entry.cell === cell));
    return this.decide(entries, cellClassOf(cell));
  }

  private decide(entries: readonly (PathEntry | CellEntry)[], listClass: ListClass): Verdict {
    const audits = entries.filter((entry) => entry.effect === 'audit');
    const judging = entries.filter(({ effect }) => effect !== 'audit').sort(strongestFirst);
    const [entry] = judging;
    if (entry !== undefined) {
      const allow = judging.findIndex(({ effect }) => effect === 'allow');
      const denials = allow < 0 ? judging : judging.slice(0, allow);
      return { allowed: allow === 0, entry, denials, audits };
    }
    const list = listOf(this.sets, listClass);
    return { allowed: list?.posture !== 'block', list, denials: [], audits };
  }
}

/** By their numbers in the policy table. */
export const LIST_CLASSES: readonly ListClass[] = [
  'process',
  'file',
  'network',
  'capabilities',
  'dns',
];

/** The class whose list speaks of a permission letter. */
export function listClassOf(perm: string): ListClass {
  return perm === 'x' ? 'process' : perm === 'q' ? 'dns' : 'file';
}

/** The class whose list speaks of a cell. */
export function cellClassOf(cell: string): ListClass {
  return cell.startsWith('capability ') ? 'capabilities' : 'network';
}

/** The allow-list of a class in force over some entry sets: block where any of them blocks. */
export function listOf(sets: readonly EntrySet[], listClass: ListClass): AllowList | undefined {
  const lists = sets.flatMap((set) => set.lists[listClass] ?? []);
  return (
    lists.find(({ posture }) => posture === 'block') ??
    lists.find(({ silent }) => !silent) ??
    lists[0]
  );
}

function strongestFirst(a: PathEntry | CellEntry, b: PathEntry | CellEntry): number {
  if (a.rank !== b.rank) return b.rank - a.rank;
  if (a.effect !== b.effect) return a.effect === 'deny' ? -1 : 1;
  return a.rule - b.rule;
}

function speaksOf({ unless }: PathEntry, args: readonly string[]): boolean {
  return unless === undefined || !args.every((argument) => unless.includes(argument));
}

function concerns(who: Who, asker: Asker): boolean {
  return who === 'any' || who === asker;
}

const LITERAL_TAIL = /^([^\\*?[\]{}]*)(\{,\*\*\}|\{,\.dpkg-tmp\})?$/;

/** Most globs are a literal, or a literal and a known tail: those need no regular expression. */
function matcherFor(glob: string): (path: string) => boolean {
  const [, literal, tail] = LITERAL_TAIL.exec(glob) ?? [];
  if (literal === undefined) return compileGlob(glob);
  if (tail === undefined) return (path) => path === literal;
  if (tail === '{,**}') return (path) => path.startsWith(literal);
  return (path) => path === literal || path === `${literal}.dpkg-tmp`;
}
