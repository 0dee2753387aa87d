import { TABLE } from './layout.js';
import { type RefusedRule, type TableFigures, TableAttempt } from './table-attempt.js';
import { eachSet, type TableSubject } from './subjects.js';

export interface TableOptions {
  /** Largest blob, bytes; what counts is the size class at or below it. */
  readonly maxBytes?: number;
  /** States and transitions that one automaton of patterns may have before it is minimised. */
  readonly slots?: number;
}

export interface CompiledTable {
  readonly blob: Uint8Array;
  /** Ascending by rule. */
  readonly refused: readonly RefusedRule[];
  readonly figures: TableFigures;
}

/** What 12 patterns with two `**` each take in two automata, with room: about 1 MiB. */
const SLOTS = 131_072;

/**
 * The table for BPF (docs/protocol/table.md) of what binds everybody, the first subject, and of what binds single
 * programs. What exceeds the budget of states or memory is left out by whole rules and named; the rest is in the table.
 * The same input gives the same bytes.
 */
export function compileTable(
  subjects: readonly TableSubject[],
  { maxBytes = TABLE.SIZE_MAX, slots = SLOTS }: TableOptions = {},
): CompiledTable {
  const refused = surplusSubjects(subjects);
  for (;;) {
    const kept = without(subjects.slice(0, TABLE.SUBJECTS_MAX), refused);
    const outcome = new TableAttempt(kept, { maxBytes, slots }).run();
    if ('blob' in outcome) {
      const named = [...refused].map(([rule, reason]) => ({ rule, reason }));
      return { ...outcome, refused: named.sort((a, b) => a.rule - b.rule) };
    }
    const before = refused.size;
    for (const { rule, reason } of outcome.refused) refused.set(rule, reason);
    if (refused.size === before) throw new RangeError('a rule was refused that is not there');
  }
}

/** Rules of programs for which the table has no room. */
function surplusSubjects(subjects: readonly TableSubject[]): Map<number, string> {
  const held = new Set(subjects.slice(0, TABLE.SUBJECTS_MAX).flatMap(({ sets }) => sets));
  const lost = subjects
    .slice(TABLE.SUBJECTS_MAX)
    .flatMap(({ sets }) => sets)
    .filter((set) => !held.has(set));
  const reason = `the table has room for ${TABLE.SUBJECTS_MAX - 1} programs with rules of their own`;
  const rules = lost.flatMap(({ paths, cells }) => [...paths, ...cells].map(({ rule }) => rule));
  return new Map(rules.map((rule) => [rule, reason]));
}

/** The subjects without some rules; sets stay shared. */
function without(
  subjects: readonly TableSubject[],
  refused: ReadonlyMap<number, string>,
): readonly TableSubject[] {
  if (refused.size === 0) return subjects;
  return eachSet(subjects, (set) => ({
    ...set,
    paths: set.paths.filter(({ rule }) => !refused.has(rule)),
    cells: set.cells.filter(({ rule }) => !refused.has(rule)),
  }));
}
