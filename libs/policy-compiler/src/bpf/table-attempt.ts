import { escapeGlob, parseGlob } from '../resolve/glob.js';
import { ABOVE, withAncestors } from './ancestors.js';
import type { Automaton } from './automaton.js';
import { byteClasses } from './byte-classes.js';
import { ObjectClasses } from './classes.js';
import { Decisions, Ranks } from './decisions.js';
import { determinise, type SetAutomaton } from './determinise.js';
import { GlobGraph } from './glob-graph.js';
import { operationMask, TABLE } from './layout.js';
import { minimise } from './minimise.js';
import { placeStates } from './place-states.js';
import { type NumberedGlob, type Part, splitGlobs } from './split.js';
import { SubjectRecords } from './subject-records.js';
import { eachSet, SetIndex, type TableSubject } from './subjects.js';
import { type RefusedRule, type TableObject, TableObjects } from './table-objects.js';
import { prefixOfSet, type TableParts, writeTable } from './write-table.js';

export type { RefusedRule } from './table-objects.js';

/** What a table came to, for reports and benchmarks. */
export interface TableFigures {
  /** Before the padding. */
  readonly bytes: number;
  readonly automata: number;
  readonly states: number;
  readonly byteClasses: number;
  readonly slots: number;
  readonly classes: number;
  readonly rows: number;
  readonly cells: number;
}

interface Limits {
  readonly maxBytes: number;
  readonly slots: number;
  /** How many subjects come again behind all others, as they are while they have a terminal; 0 or all of them. */
  readonly terminals: number;
}

type Outcome =
  | { readonly blob: Uint8Array; readonly figures: TableFigures }
  | { readonly refused: readonly RefusedRule[] };

const SIZES = [TABLE.SIZE_SMALL, TABLE.SIZE_MEDIUM, TABLE.SIZE_LARGE, TABLE.SIZE_MAX];

const CONDITIONS = `more than ${TABLE.CONDITIONS_MAX} rules with allowedArgs speak of one program`;

/** One try to build a table: all that is given, or else the rules without which to try again. */
export class TableAttempt {
  private readonly index: SetIndex;
  private readonly objects: TableObjects;
  private readonly refused: RefusedRule[];

  private readonly subjects: readonly TableSubject[];

  constructor(
    subjects: readonly TableSubject[],
    private readonly limits: Limits,
  ) {
    this.subjects = eachSet(subjects, withAncestors);
    this.index = new SetIndex(this.subjects);
    this.objects = new TableObjects(this.index);
    this.refused = [...this.objects.refused];
  }

  run(): Outcome {
    const parts = this.withinAutomata(
      (['files', 'programs', 'above', 'queries'] as const).flatMap((group) =>
        this.split(this.objects.of(group)),
      ),
    );
    if (this.refused.length > 0) return { refused: this.refused };
    const made = this.assemble(parts);
    const tooMany = [...made.decisions.surplus].map((rule) => ({ rule, reason: CONDITIONS }));
    if (tooMany.length > 0) return { refused: tooMany };
    const table = writeTable(made);
    const size = SIZES.find((one) => one >= table.length && one <= this.limits.maxBytes);
    return size === undefined
      ? { refused: this.surplus(table.length) }
      : { blob: padded(table, size), figures: figuresOf(made, table.length) };
  }

  private split(objects: readonly TableObject[]): readonly Part[] {
    const { parts, tooLarge } = splitGlobs(objects, this.limits.slots);
    const reason = `the pattern alone needs an automaton of more than ${this.limits.slots} states and transitions`;
    this.refuse(tooLarge, reason);
    return parts;
  }

  private refuse(globs: readonly NumberedGlob[], reason: string): void {
    for (const { entry } of globs.flatMap(({ id }) => this.objects.all[id]?.entries ?? [])) {
      this.refused.push({ rule: entry.rule, reason });
    }
  }

  /** Keeps as many automata as a walk has room for; of those with patterns the ones with the most. */
  private withinAutomata(parts: readonly Part[]): readonly Part[] {
    if (parts.length <= TABLE.AUTOMATA_MAX) return parts;
    const optional = parts.filter((part) => part.optional);
    const room = TABLE.AUTOMATA_MAX - (parts.length - optional.length);
    const surplus = optional.sort((a, b) => b.globs.length - a.globs.length).slice(room);
    const reason = `with the other patterns it needs more than ${TABLE.AUTOMATA_MAX} automata of ${this.limits.slots} states and transitions`;
    for (const { globs } of surplus) this.refuse(globs, reason);
    return parts.filter((part) => !surplus.includes(part));
  }

  private assemble(parts: readonly Part[]): TableParts {
    const decisions = new Decisions(this.ranks());
    const classes = new ObjectClasses(this.index, decisions);
    const automata = parts.map((part) => this.automatonOf(part, classes));
    const subjectAutomaton = automatonOfSubjects(this.subjects);
    const argumentAutomaton = automatonOfArguments(decisions.argumentSets);
    const records = new SubjectRecords(decisions);
    const subjects = this.subjects.map((subject) => records.of(subject));
    const all = [...automata, subjectAutomaton, argumentAutomaton];
    const bytes = byteClasses(all);
    return {
      automata,
      operations: parts.map(({ globs }) => this.operationsOf(globs)),
      subjectAutomaton,
      argumentAutomaton,
      bytes,
      placement: placeStates(all, bytes),
      classes: classes.all,
      decisions,
      vectors: records.vectors,
      subjects,
      terminals: this.limits.terminals,
      rules: this.rules(),
    };
  }

  private ranks(): Ranks {
    const all = this.index.sets.flatMap(({ paths, cells }) => [
      ...paths.map(({ rank }) => rank),
      ...cells.map(({ rank }) => rank),
    ]);
    return new Ranks(all);
  }

  private automatonOf({ automaton, acceptSets }: SetAutomaton, classes: ObjectClasses): Automaton {
    const numbers = acceptSets.map((ids) => {
      const objects = ids.flatMap((id) => this.objects.all[id] ?? []);
      const above = objects.filter(({ entries }) => entries[0]?.entry.perms === ABOVE);
      return classes.of(
        objects.flatMap(({ entries }) => entries),
        above.map(({ id }) => `;${id}`).join(''),
      );
    });
    const accepts = automaton.accepts.map((set) => numbers[set] ?? 0);
    return minimise({ ...automaton, accepts });
  }

  private operationsOf(globs: readonly NumberedGlob[]): number {
    const entries = globs.flatMap(({ id }) => this.objects.all[id]?.entries ?? []);
    return entries.reduce((mask, { entry }) => mask | operationMask(entry.perms), 0);
  }

  /** One more than the greatest rule that is named. */
  private rules(): number {
    let rules = 0;
    for (const { paths, cells, lists } of this.index.sets) {
      for (const { rule } of paths) rules = Math.max(rules, rule + 1);
      for (const { rule } of cells) rules = Math.max(rules, rule + 1);
      for (const { rule } of Object.values(lists)) rules = Math.max(rules, rule + 1);
    }
    return rules;
  }

  /** The last of the rules on paths, in about the share by which the table is too large. */
  private surplus(bytes: number): readonly RefusedRule[] {
    const rules = [
      ...new Set(this.objects.all.flatMap(({ entries }) => entries.map(({ entry }) => entry.rule))),
    ];
    if (rules.length === 0)
      throw new RangeError(`the table needs ${bytes} bytes without a single path`);
    const keep = Math.floor((rules.length * 0.95 * this.limits.maxBytes) / bytes);
    const reason = `the table is full: ${this.limits.maxBytes} bytes hold about ${keep} of these rules`;
    return rules
      .sort((a, b) => a - b)
      .slice(Math.min(keep, rules.length - 1))
      .map((rule) => ({ rule, reason }));
  }
}

/** Programs with rules of their own, accepted by the number of their subject. */
function automatonOfSubjects(subjects: readonly TableSubject[]): Automaton {
  const graph = new GlobGraph();
  subjects.forEach(({ path }, subject) => {
    if (path !== undefined) graph.add(parseGlob(escapeGlob(path)), subject);
  });
  const made = determinise(graph);
  if (made === undefined) throw new RangeError('programs by exact path have no bound to exceed');
  const { automaton, acceptSets } = made;
  const accepts = automaton.accepts.map((set) => acceptSets[set]?.[0] ?? 0);
  return minimise({ ...automaton, accepts });
}

/** The arguments of each set, behind where its walk begins (startOfSet); accepted by 1. */
function automatonOfArguments(sets: readonly (readonly string[])[]): Automaton {
  const graph = new GlobGraph();
  sets.forEach((set, number) => {
    for (const one of set) graph.add([{ type: 'text', text: prefixOfSet(number) + one }], 1);
  });
  const made = determinise(graph);
  if (made === undefined) throw new RangeError('arguments have no bound to exceed');
  const { automaton, acceptSets } = made;
  const accepts = automaton.accepts.map((set) => acceptSets[set]?.[0] ?? 0);
  return minimise({ ...automaton, accepts });
}

function padded(table: Uint8Array, size: number): Uint8Array {
  const blob = new Uint8Array(size);
  blob.set(table);
  new DataView(blob.buffer).setUint32(TABLE.OFF_SIZE, size, true);
  return blob;
}

function figuresOf(parts: TableParts, bytes: number): TableFigures {
  return {
    bytes,
    automata: parts.automata.length,
    states: parts.automata.reduce((sum, { accepts }) => sum + accepts.length, 0),
    byteClasses: parts.bytes.count,
    slots: parts.placement.slots,
    classes: parts.classes.length - 1,
    rows: parts.decisions.rows.length,
    cells: parts.decisions.cells.length,
  };
}
