import { type Automaton, stateAfter } from './automaton.js';
import type { ByteClasses } from './byte-classes.js';
import type { ObjectClass } from './classes.js';
import type { Condition, Decisions } from './decisions.js';
import { TABLE } from './layout.js';
import type { Placement } from './place-states.js';
import { Slots } from './slots.js';

/** What binds one subject beside paths. */
export interface SubjectRecord {
  /** List words, by list class. */
  readonly lists: readonly number[];
  /** Vectors of cells, by number. */
  readonly sockets: number;
  readonly capabilities: number;
  readonly concerns: number;
}

/** All parts of a table; automata accept classes by number; behind them come those of subjects and of arguments. */
export interface TableParts {
  readonly automata: readonly Automaton[];
  readonly operations: readonly number[];
  readonly subjectAutomaton: Automaton;
  readonly argumentAutomaton: Automaton;
  readonly bytes: ByteClasses;
  readonly placement: Placement;
  readonly classes: readonly ObjectClass[];
  readonly decisions: Decisions;
  readonly vectors: readonly (readonly number[])[];
  readonly subjects: readonly SubjectRecord[];
  readonly terminals: number;
  readonly rules: number;
}

/** Where the sections begin. */
interface Sections {
  readonly classes: number;
  readonly exceptions: number;
  readonly rows: number;
  readonly cells: number;
  readonly conditions: number;
  readonly vectors: number;
  readonly subjects: number;
  readonly used: number;
}

/** Bases of the classes' exceptions, and the slots that they take. */
interface Exceptions {
  readonly bases: readonly number[];
  readonly slots: number;
}

/** The bytes of a table, not padded yet. */
export function writeTable(parts: TableParts): Uint8Array {
  const exceptions = placeExceptions(parts);
  const sections = sectionsOf(parts, exceptions);
  const bytes = new Uint8Array(sections.used);
  const view = new DataView(bytes.buffer);
  writeHeader(view, parts, sections);
  bytes.set(parts.bytes.classes, TABLE.BYTE_CLASSES);
  writeTransitions(view, parts, sections);
  writeClasses(view, parts, exceptions, sections);
  writeRows(view, parts, sections);
  writeConditions(view, parts, sections);
  writeSubjects(view, parts, sections);
  return bytes;
}

function placeExceptions({ classes, subjects }: TableParts): Exceptions {
  const slots = new Slots();
  const bases = classes.map(({ exceptions }) =>
    exceptions.length === 0 ? 0 : slots.take(exceptions.map(([subject]) => subject)),
  );
  return { bases, slots: slots.end + subjects.length };
}

function sectionsOf(parts: TableParts, exceptions: Exceptions): Sections {
  const classes = TABLE.TRANSITIONS + parts.placement.slots * TABLE.SLOT_BYTES;
  const atExceptions = classes + (parts.classes.length - 1) * TABLE.CLASS_BYTES;
  const rows = atExceptions + exceptions.slots * TABLE.EXCEPTION_BYTES;
  const cells = rows + parts.decisions.rows.length * TABLE.ROW_BYTES;
  const conditions = cells + parts.decisions.cells.length * TABLE.CELL_BYTES;
  const vectors = conditions + conditionsOf(parts).length * TABLE.CONDITION_BYTES;
  const subjects = vectors + parts.vectors.length * TABLE.VECTOR_BYTES;
  const used = subjects + parts.subjects.length * TABLE.SUBJECT_BYTES;
  return { classes, exceptions: atExceptions, rows, cells, conditions, vectors, subjects, used };
}

function conditionsOf({ decisions }: TableParts): readonly Condition[] {
  return decisions.cells.flatMap((cell) => cell.conditions);
}

function put(view: DataView, at: number, value: number): void {
  view.setUint32(at, value, true);
}

function writeHeader(view: DataView, parts: TableParts, sections: Sections): void {
  put(view, TABLE.OFF_MAGIC, TABLE.MAGIC);
  put(view, TABLE.OFF_VERSION, TABLE.VERSION);
  put(view, TABLE.OFF_USED, sections.used);
  put(view, TABLE.OFF_N_AUTOMATA, parts.automata.length);
  put(view, TABLE.OFF_N_SUBJECTS, parts.subjects.length);
  put(view, TABLE.OFF_N_RULES, parts.rules);
  parts.automata.forEach(({ start }, at) => {
    put(view, TABLE.OFF_START + 4 * at, stateOffset(parts, at, start));
    put(view, TABLE.OFF_OPERATIONS + 4 * at, parts.operations[at] ?? 0);
  });
  const { automata, subjectAutomaton } = parts;
  put(view, TABLE.OFF_SUBJECT_START, stateOffset(parts, automata.length, subjectAutomaton.start));
  put(view, TABLE.OFF_CLASSES, sections.classes);
  put(view, TABLE.OFF_EXCEPTIONS, sections.exceptions);
  put(view, TABLE.OFF_ROWS, sections.rows);
  put(view, TABLE.OFF_CELLS, sections.cells);
  put(view, TABLE.OFF_VECTORS, sections.vectors);
  put(view, TABLE.OFF_SUBJECTS, sections.subjects);
  put(view, TABLE.OFF_TERMINALS, parts.terminals);
  put(view, TABLE.OFF_CONDITIONS, sections.conditions);
  put(
    view,
    TABLE.OFF_CONCERNS,
    parts.subjects.reduce((mask, { concerns }) => mask | concerns, 0),
  );
}

function stateOffset({ placement }: TableParts, automaton: number, state: number): number {
  const head = placement.heads[automaton]?.[state] ?? -1;
  return head < 0 ? 0 : TABLE.TRANSITIONS + head * TABLE.SLOT_BYTES;
}

function writeTransitions(view: DataView, parts: TableParts, sections: Sections): void {
  for (let at = TABLE.TRANSITIONS; at < sections.classes; at += TABLE.SLOT_BYTES) {
    put(view, at, TABLE.UNUSED);
  }
  const record = (number: number): number =>
    number === 0 ? 0 : sections.classes + (number - 1) * TABLE.CLASS_BYTES;
  parts.automata.forEach((automaton, at) => writeAutomaton(view, parts, at, automaton, record));
  const { automata, subjectAutomaton, argumentAutomaton } = parts;
  const itself = (accepted: number): number => accepted;
  writeAutomaton(view, parts, automata.length, subjectAutomaton, itself);
  writeAutomaton(view, parts, automata.length + 1, argumentAutomaton, itself);
}

function writeAutomaton(
  view: DataView,
  parts: TableParts,
  number: number,
  { defaults, accepts }: Automaton,
  classField: (accepted: number) => number,
): void {
  const rows = parts.placement.rows[number];
  for (let state = 1; rows !== undefined && state < accepts.length; state++) {
    const head = stateOffset(parts, number, state);
    put(view, head, TABLE.HEAD + classField(accepts[state] ?? 0));
    put(view, head + 4, stateOffset(parts, number, defaults[state] ?? 0));
    for (let at = rows.offsets[state] ?? 0; at < (rows.offsets[state + 1] ?? 0); at++) {
      const slot = head + (rows.classes[at] ?? 0) * TABLE.SLOT_BYTES;
      put(view, slot, head);
      put(view, slot + 4, stateOffset(parts, number, rows.targets[at] ?? 0));
    }
  }
}

function writeClasses(
  view: DataView,
  { classes }: TableParts,
  { bases }: Exceptions,
  sections: Sections,
): void {
  const rowAt = (row: number): number => sections.rows + row * TABLE.ROW_BYTES;
  for (let number = 1; number < classes.length; number++) {
    const record = sections.classes + (number - 1) * TABLE.CLASS_BYTES;
    const base = sections.exceptions + (bases[number] ?? 0) * TABLE.EXCEPTION_BYTES;
    put(view, record, rowAt(classes[number]?.row ?? 0));
    put(view, record + 4, base);
    for (const [subject, row] of classes[number]?.exceptions ?? []) {
      put(view, base + subject * TABLE.EXCEPTION_BYTES, record);
      put(view, base + subject * TABLE.EXCEPTION_BYTES + 4, rowAt(row));
    }
  }
}

function writeRows(view: DataView, { decisions, vectors }: TableParts, sections: Sections): void {
  const cellAt = (cell: number): number => sections.cells + cell * TABLE.CELL_BYTES;
  decisions.rows.forEach((row, number) => {
    row.forEach((cell, at) =>
      put(view, sections.rows + number * TABLE.ROW_BYTES + 4 * at, cellAt(cell)),
    );
  });
  decisions.cells.forEach(({ high, low, audit }, number) => {
    put(view, cellAt(number), low);
    put(view, cellAt(number) + 4, high);
    put(view, cellAt(number) + 8, audit);
  });
  vectors.forEach((vector, number) => {
    vector.forEach((cell, at) =>
      put(view, sections.vectors + number * TABLE.VECTOR_BYTES + 4 * at, cellAt(cell)),
    );
  });
}

/** Those of a cell stand behind each other, each with where the next one is. */
function writeConditions(view: DataView, parts: TableParts, sections: Sections): void {
  let at = sections.conditions;
  parts.decisions.cells.forEach(({ conditions }, cell) => {
    if (conditions.length === 0) return;
    put(view, sections.cells + cell * TABLE.CELL_BYTES + TABLE.CELL_CONDITIONS, at);
    conditions.forEach(({ high, low, audit, set }, index) => {
      const isLast = index === conditions.length - 1;
      put(view, at, low);
      put(view, at + 4, high);
      put(view, at + TABLE.CONDITION_AUDIT, audit);
      put(view, at + TABLE.CONDITION_STATE, startOfSet(parts, set));
      put(view, at + TABLE.CONDITION_NEXT, isLast ? 0 : at + TABLE.CONDITION_BYTES);
      at += TABLE.CONDITION_BYTES;
    });
  });
}

/** Where the walk over an argument begins; 0, dead, for a set without any. */
function startOfSet(parts: TableParts, set: number): number {
  const { automata, argumentAutomaton } = parts;
  const state = stateAfter(argumentAutomaton, Buffer.from(prefixOfSet(set)));
  return stateOffset(parts, automata.length + 1, state);
}

function writeSubjects(view: DataView, { subjects }: TableParts, sections: Sections): void {
  const vectorAt = (vector: number): number => sections.vectors + vector * TABLE.VECTOR_BYTES;
  subjects.forEach(({ lists, sockets, capabilities, concerns }, number) => {
    const record = sections.subjects + number * TABLE.SUBJECT_BYTES;
    lists.forEach((list, at) => put(view, record + TABLE.SUBJECT_LISTS + 4 * at, list));
    put(view, record + TABLE.SUBJECT_SOCKETS, vectorAt(sockets));
    put(view, record + TABLE.SUBJECT_CAPABILITIES, vectorAt(capabilities));
    put(view, record + TABLE.SUBJECT_CONCERNS, concerns);
  });
}

/** What stands before the arguments of a set in the automaton that all sets share. */
export function prefixOfSet(set: number): string {
  return `${set}/`;
}
