import { TABLE } from './layout.js';
import { type RefusedRule, type TableFigures, TableAttempt } from './table-attempt.js';
import { eachSet, type TableSubject } from './subjects.js';
import type { EntrySet } from '../plan/types.js';

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
  /** The number of a subject is so much greater while it has a terminal; 0: no rule asks. */
  readonly terminals: number;
  readonly figures: TableFigures;
}

/** What 12 patterns with two `**` each take in two automata, with room: about 1 MiB. */
const SLOTS = 131_072;

/**
 * The table for BPF (docs/reference/protocol/table.md) of what binds everybody, the first subject, and of what binds single
 * programs. What exceeds the budget of states or memory is left out by whole rules and named; the rest is in the table.
 * The same input gives the same bytes.
 */
export function compileTable(
  subjects: readonly TableSubject[],
  { maxBytes = TABLE.SIZE_MAX, slots = SLOTS }: TableOptions = {},
): CompiledTable {
  const asked = subjects.some(({ terminal = [] }) => terminal.length > 0);
  const held = subjects.slice(0, asked ? TABLE.SUBJECTS_MAX / 2 : TABLE.SUBJECTS_MAX);
  const terminals = asked ? held.length : 0;
  const refused = surplusSubjects(subjects, held);
  for (;;) {
    const kept = without(asked ? withTerminals(held) : held, refused);
    const outcome = new TableAttempt(kept, { maxBytes, slots, terminals }).run();
    if ('blob' in outcome) {
      const named = [...refused].map(([rule, reason]) => ({ rule, reason }));
      return { ...outcome, terminals, refused: named.sort((a, b) => a.rule - b.rule) };
    }
    const before = refused.size;
    for (const { rule, reason } of outcome.refused) refused.set(rule, reason);
    if (refused.size === before) throw new RangeError('a rule was refused that is not there');
  }
}

/** Each subject twice: as it is, and behind all of them, without a path, as it is while it has a terminal. */
function withTerminals(subjects: readonly TableSubject[]): readonly TableSubject[] {
  const atTerminal = subjects.map(({ sets, terminal = [] }) => ({ sets: [...sets, ...terminal] }));
  return [...subjects, ...atTerminal];
}

/** Rules of programs for which the table has no room. */
function surplusSubjects(
  subjects: readonly TableSubject[],
  held: readonly TableSubject[],
): Map<number, string> {
  const known = new Set(held.flatMap(setsOf));
  const lost = subjects
    .slice(held.length)
    .flatMap(setsOf)
    .filter((set) => !known.has(set));
  const reason = `the table has room for ${held.length - 1} programs with rules of their own`;
  const rules = lost.flatMap(({ paths, cells }) => [...paths, ...cells].map(({ rule }) => rule));
  return new Map(rules.map((rule) => [rule, reason]));
}

function setsOf({ sets, terminal = [] }: TableSubject): readonly EntrySet[] {
  return [...sets, ...terminal];
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
