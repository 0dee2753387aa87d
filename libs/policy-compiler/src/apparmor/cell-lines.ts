import { cellText, CLASS_CELLS } from '../resolve/cells.js';
import type { Line, Mode } from './class-lines.js';
import type { EntrySet } from '../plan/types.js';
import { Evaluator, listOf } from '../plan/verdict.js';

/** What a profile says about sockets and capabilities: the outcome of all rules for each of them, over a base that allows. */
export function cellLines(sets: readonly EntrySet[], mode: Mode): readonly Line[] {
  if (mode === 'open') return [];
  const evaluator = new Evaluator(sets.map((set) => ({ ...set, paths: [] })));
  return concerned(sets).flatMap((cell) => cellLine(evaluator, cell, mode));
}

/** Cells that a rule names, and all of a class that is an allow-list. */
function concerned(sets: readonly EntrySet[]): readonly string[] {
  const named = sets.flatMap((set) => set.cells.map(({ cell }) => cell));
  const listed = (['network', 'capabilities'] as const)
    .filter((name) => listOf(sets, name) !== undefined)
    .flatMap((name) => CLASS_CELLS[name]);
  return [...new Set([...named, ...listed])].sort();
}

function cellLine(evaluator: Evaluator, cell: string, mode: Mode): readonly Line[] {
  const verdict = evaluator.cell(cell);
  const rule = verdict.entry?.rule ?? verdict.audits[0]?.rule ?? verdict.list?.rule;
  if (!verdict.allowed) {
    return [{ text: `audit ${mode === 'enforce' ? 'deny ' : ''}${cellText(cell)},`, rule }];
  }
  const unlisted = verdict.entry === undefined && verdict.list !== undefined;
  const watched = verdict.audits.length > 0 || (unlisted && !verdict.list?.silent);
  return watched ? [{ text: `audit ${cellText(cell)},`, rule }] : [];
}
