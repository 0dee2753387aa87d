import { CAPABILITIES } from '../resolve/cells.js';
import type { AllowList, CellEntry, EntrySet } from '../plan/types.js';
import { LIST_CLASSES, listOf } from '../plan/verdict.js';
import type { Decisions } from './decisions.js';
import { operationMask, TABLE } from './layout.js';
import { kindsOf } from '../resolve/socket-kinds.js';
import type { TableSubject } from './subjects.js';
import type { SubjectRecord } from './write-table.js';

/** Operations that a list of a class speaks of. */
const LIST_MASKS = [
  operationMask('x'),
  operationMask('rwlkm'),
  1 << TABLE.SOCKETS,
  1 << TABLE.CAPABILITIES,
  1 << TABLE.QUERY,
];

/** Records of the subjects, and the vectors of cells that they share. */
export class SubjectRecords {
  readonly vectors: (readonly number[])[] = [];
  private readonly numbers = new Map<string, number>();
  private readonly masks = new Map<EntrySet, number>();
  private readonly known = new Map<string, number>();

  constructor(private readonly decisions: Decisions) {}

  of({ sets }: TableSubject): SubjectRecord {
    const speaking = sets.filter(({ cells }) => cells.length > 0);
    const lists = LIST_CLASSES.map((listClass) => listOf(sets, listClass));
    return {
      lists: lists.map(listWord),
      sockets: this.vector(speaking, 'sockets'),
      capabilities: this.vector(speaking, 'capabilities'),
      concerns: this.concerns(sets, lists),
    };
  }

  private vector(sets: readonly EntrySet[], what: 'sockets' | 'capabilities'): number {
    const key = `${what} ${sets.map((set) => this.numberOf(set)).join()}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const byNumber = Array.from({ length: TABLE.VECTOR_LENGTH }, (): CellEntry[] => []);
    for (const entry of sets.flatMap(({ cells }) => cells)) {
      for (const number of numbersOf(entry.cell, what)) byNumber[number]?.push(entry);
    }
    const made = this.intern(byNumber.map((entries) => this.decisions.cell(entries)));
    this.known.set(key, made);
    return made;
  }

  private intern(vector: readonly number[]): number {
    const key = vector.join();
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    this.numbers.set(key, this.vectors.length);
    return this.vectors.push(vector) - 1;
  }

  private readonly setNumbers = new Map<EntrySet, number>();

  private numberOf(set: EntrySet): number {
    const known = this.setNumbers.get(set) ?? this.setNumbers.size;
    this.setNumbers.set(set, known);
    return known;
  }

  /** Operations that can be denied or logged: an Allow alone does neither. */
  private concerns(sets: readonly EntrySet[], lists: readonly (AllowList | undefined)[]): number {
    const bySets = sets.reduce((mask, set) => mask | this.maskOf(set), 0);
    return lists.reduce(
      (mask, list, at) => (list === undefined || list.silent ? mask : mask | (LIST_MASKS[at] ?? 0)),
      bySets,
    );
  }

  private maskOf(set: EntrySet): number {
    const known = this.masks.get(set);
    if (known !== undefined) return known;
    let mask = 0;
    for (const { effect, perms } of set.paths) if (effect !== 'allow') mask |= operationMask(perms);
    for (const { effect, cell } of set.cells) {
      if (effect !== 'allow')
        mask |= 1 << (isCapability(cell) ? TABLE.CAPABILITIES : TABLE.SOCKETS);
    }
    this.masks.set(set, mask);
    return mask;
  }
}

function listWord(list: AllowList | undefined): number {
  if (list === undefined) return TABLE.LIST_NONE;
  const posture = list.posture === 'block' ? TABLE.LIST_BLOCK : TABLE.LIST_AUDIT;
  const silent = list.silent === true ? TABLE.LIST_SILENT : 0;
  return list.rule * 2 ** TABLE.LIST_RULE_SHIFT + silent + posture;
}

function isCapability(cell: string): boolean {
  return cell.startsWith('capability ');
}

function numbersOf(cell: string, what: 'sockets' | 'capabilities'): readonly number[] {
  if (!isCapability(cell)) return what === 'sockets' ? kindsOf(cell) : [];
  const number = CAPABILITIES.indexOf(cell.slice('capability '.length));
  return what === 'capabilities' && number >= 0 ? [number] : [];
}
