import { CAPABILITIES } from '../resolve/cells.js';
import type { Asker } from '../plan/verdict.js';
import { OPERATIONS, TABLE } from './layout.js';
import { SOCKET_KINDS } from '../resolve/socket-kinds.js';

/** What the table says, as struct hw_tbl_verdict; rules are indexes. */
export interface TableVerdict {
  readonly deny: boolean;
  readonly logged: boolean;
  /** The rule that decided. */
  readonly rule?: number;
  /** The first Audit rule that matches. */
  readonly audit?: number;
  /** The list that decided, where no rule did. */
  readonly list?: { readonly posture: 'audit' | 'block'; readonly rule: number };
}

/** The bytes are not a table that this version reads; the message says why. */
export class TableError extends Error {
  override readonly name = 'TableError';
}

const DENY = TABLE.DECISION_DENY / 2 ** 32;
const SAYS = TABLE.DECISION_SAYS / 2 ** 32;

/** Walks a table as hostward-table.h does, function by function. */
export class TableReader {
  private readonly view: DataView;
  readonly subjects: number;

  /** @throws TableError for bytes of another magic, version or size */
  constructor(private readonly blob: Uint8Array) {
    this.view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
    if (blob.length < TABLE.TRANSITIONS) throw new TableError('is shorter than a header');
    if (this.load(TABLE.OFF_MAGIC) !== TABLE.MAGIC) throw new TableError('is not a policy table');
    if (this.load(TABLE.OFF_VERSION) !== TABLE.VERSION) {
      throw new TableError(`is a table of version ${this.load(TABLE.OFF_VERSION)}`);
    }
    if (this.load(TABLE.OFF_SIZE) !== blob.length) throw new TableError('is cut or extended');
    this.subjects = this.load(TABLE.OFF_N_SUBJECTS);
  }

  /** Verdict on one permission letter of OPERATIONS of one path; of an exec, with arguments behind its name. */
  path(
    path: string,
    letter: string,
    asker: Asker,
    subject = 0,
    args: readonly string[] = [],
  ): TableVerdict {
    const operation = OPERATIONS.indexOf(letter);
    return this.decide(this.walk(path, operation), operation, asker, subject, args);
  }

  /** Verdict on moving a directory, both with a final slash, as to what is blocked below it (hw_tbl_leave). */
  moved(from: string, to: string, subject = 0): TableVerdict {
    const over = this.path(from, 'o', 'other', subject);
    if (over.deny) return over;
    const there = this.walk(to, TABLE.ABOVE);
    const left = this.walk(from, TABLE.ABOVE).filter((state, at) => {
      const other = there[at] ?? 0;
      return other === 0 || this.load(state) !== this.load(other);
    });
    return this.decide(left, TABLE.ABOVE, 'other', subject);
  }

  private decide(
    states: readonly number[],
    operation: number,
    asker: Asker,
    subject: number,
    args: readonly string[] = [],
  ): TableVerdict {
    const column = 4 * (operation * 2 + (asker === 'owner' ? TABLE.OWNER : TABLE.OTHER));
    const cells = states.flatMap((state) => {
      const record = state === 0 ? 0 : this.load(state) - TABLE.HEAD;
      if (record === 0) return [];
      const cell = this.load(this.row(record, this.known(subject)) + column);
      return [cell, ...this.conditions(cell, args)];
    });
    return this.settle(cells, this.listWord(subject, listClassOf(operation)));
  }

  /** The conditions of a cell that hold: they begin as a cell does. */
  private conditions(cell: number, args: readonly string[]): readonly number[] {
    const found: number[] = [];
    for (let at = this.load(cell + TABLE.CELL_CONDITIONS); at !== 0;) {
      const start = this.load(at + TABLE.CONDITION_STATE);
      if (!args.every((one) => this.accepts(start, one))) found.push(at);
      at = this.load(at + TABLE.CONDITION_NEXT);
    }
    return found;
  }

  private accepts(start: number, text: string): boolean {
    const state = this.run(start, Buffer.from(text));
    return state !== 0 && this.load(state) !== TABLE.HEAD;
  }

  /** Verdict on a kind of socket, by its name (SOCKET_KINDS). */
  socket(kind: string, subject = 0): TableVerdict {
    const number = SOCKET_KINDS.get(kind);
    if (number === undefined) return { deny: false, logged: false };
    return this.vector(TABLE.SUBJECT_SOCKETS, number, subject, TABLE.LIST_OF_NETWORK);
  }

  /** Verdict on a capability, by its name without `cap_`. */
  capability(name: string, subject = 0): TableVerdict {
    const number = CAPABILITIES.indexOf(name);
    if (number < 0) return { deny: false, logged: false };
    return this.vector(TABLE.SUBJECT_CAPABILITIES, number, subject, TABLE.LIST_OF_CAPABILITIES);
  }

  /** The subject of a program by its path; 0 is everybody. */
  subjectOf(path: string, hasTerminal = false): number {
    const state = this.run(this.load(TABLE.OFF_SUBJECT_START), Buffer.from(path));
    const subject = state === 0 ? 0 : this.load(state) - TABLE.HEAD;
    return hasTerminal ? subject + this.load(TABLE.OFF_TERMINALS) : subject;
  }

  /** Whether an operation, by its letter, can be denied or logged at all. */
  concerns(letter: string, subject = 0): boolean {
    const mask = this.load(this.record(subject) + TABLE.SUBJECT_CONCERNS);
    return (mask & (1 << OPERATIONS.indexOf(letter))) !== 0;
  }

  /** States, 0 where dead, that the automata which speak of an operation are in after a path. */
  private walk(path: string, operation: number): readonly number[] {
    const bytes = Buffer.from(path);
    return Array.from({ length: this.load(TABLE.OFF_N_AUTOMATA) }, (_, at) => at)
      .filter((at) => (this.load(TABLE.OFF_OPERATIONS + 4 * at) & (1 << operation)) !== 0)
      .map((at) => this.run(this.load(TABLE.OFF_START + 4 * at), bytes));
  }

  private run(start: number, bytes: Uint8Array): number {
    let state = start;
    for (const byte of bytes) {
      if (state === 0) return 0;
      const slot = state + TABLE.SLOT_BYTES * (this.blob[TABLE.BYTE_CLASSES + byte] ?? 0);
      state = this.load(slot) === state ? this.load(slot + 4) : this.load(state + 4);
    }
    return state;
  }

  private row(record: number, subject: number): number {
    const exception = this.load(record + 4) + TABLE.EXCEPTION_BYTES * subject;
    return this.load(exception) === record ? this.load(exception + 4) : this.load(record);
  }

  private vector(field: number, number: number, subject: number, list: number): TableVerdict {
    const vector = this.load(this.record(subject) + field);
    return this.settle([this.load(vector + 4 * number)], this.listWord(subject, list));
  }

  private settle(cells: readonly number[], word: number): TableVerdict {
    const audits = cells.map((cell) => this.load(cell + 8)).filter((audit) => audit !== 0);
    const audit = audits.length === 0 ? {} : { audit: Math.min(...audits) - 1 };
    const [strongest] = cells
      .map((cell) => ({ high: this.load(cell + 4), low: this.load(cell) }))
      .sort((a, b) => b.high - a.high || b.low - a.low);
    if (strongest !== undefined && (strongest.high & SAYS) !== 0) {
      const rule = TABLE.DECISION_RULE - (strongest.low & TABLE.DECISION_RULE);
      const deny = (strongest.high & DENY) !== 0;
      return { deny, logged: audits.length > 0, rule, ...audit };
    }
    return { ...unlisted(word, audits.length > 0), ...audit };
  }

  /** Undefined class: none speaks of it. */
  private listWord(subject: number, listClass: number | undefined): number {
    if (listClass === undefined) return TABLE.LIST_NONE;
    return this.load(this.record(subject) + TABLE.SUBJECT_LISTS + 4 * listClass);
  }

  private record(subject: number): number {
    return this.load(TABLE.OFF_SUBJECTS) + TABLE.SUBJECT_BYTES * this.known(subject);
  }

  private known(subject: number): number {
    return subject < this.subjects ? subject : 0;
  }

  /** As in C: what lies beyond the blob is 0. */
  private load(at: number): number {
    return at + 4 <= this.blob.length ? this.view.getUint32(at, true) : 0;
  }
}

function listClassOf(operation: number): number | undefined {
  if (operation === TABLE.QUERY) return TABLE.LIST_OF_QUERIES;
  if (operation > TABLE.EXEC) return undefined;
  return operation === TABLE.EXEC ? TABLE.LIST_OF_PROCESS : TABLE.LIST_OF_FILE;
}

function unlisted(word: number, watched: boolean): TableVerdict {
  const posture = word & TABLE.LIST_POSTURE;
  if (posture === TABLE.LIST_NONE) return { deny: false, logged: watched };
  const rule = word >>> TABLE.LIST_RULE_SHIFT;
  if (posture === TABLE.LIST_BLOCK) {
    return { deny: true, logged: watched, list: { posture: 'block', rule } };
  }
  const silent = (word & TABLE.LIST_SILENT) !== 0;
  return { deny: false, logged: watched || !silent, list: { posture: 'audit', rule } };
}
