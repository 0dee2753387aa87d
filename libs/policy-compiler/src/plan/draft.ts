import { type BoundPaths, addDeniedMappings } from './denied-mappings.js';
import { type DraftRule, isLive } from './draft-rule.js';
import { impliedEntries } from './implied-entries.js';
import { mappedPrograms } from './mapped-programs.js';
import { PatternBudget } from '../resolve/pattern-budget.js';
import { type Placed, type PlacedCell, RuleEntries, type RuleHost } from './rule-entries.js';
import type { AllowList, EntrySet, ListClass, RuleClass } from './types.js';
import { LIST_CLASSES, listOf } from './verdict.js';

/** Entries with the objects they came from, which the texts need and the table does not. */
export interface DraftSet extends EntrySet {
  readonly paths: Placed[];
  readonly cells: PlacedCell[];
  readonly lists: Partial<Record<ListClass, AllowList>>;
  /** Rules each of which makes the list of its class block, in their order. */
  readonly blocking: Partial<Record<ListClass, number[]>>;
}

/** What rules say, by subject: everybody, or one program (by the path that the kernel sees). */
interface BySubject {
  readonly general: DraftSet;
  readonly sources: Map<string, DraftSet>;
}

export interface Draft extends BySubject {
  readonly rules: readonly DraftRule[];
  /** What holds beside the rest while the task has a terminal (`pts: false`). */
  readonly terminal: BySubject;
}

/** All that binds everybody (no path), or one program. */
export interface BoundSubject {
  readonly path?: string;
  readonly sets: readonly DraftSet[];
  /** What binds it besides while it has a terminal; empty: nothing. */
  readonly terminal: readonly DraftSet[];
}

/** Without anything in it. */
function emptySet(): DraftSet {
  return { paths: [], cells: [], lists: {}, blocking: {} };
}

/** Places every live rule under its subjects; a rule that cannot be written gets its reason instead. */
export function placeRules(rules: readonly DraftRule[], host: RuleHost): Draft {
  const draft: Draft = { rules, ...bySubject(), terminal: bySubject() };
  const entries = new RuleEntries(host, new PatternBudget());
  for (const rule of rules) {
    if (isLive(rule)) place(draft, rule, entries);
  }
  addMapped(draft);
  for (const index of addDeniedMappings(boundPaths(draft))) noteUnmapped(rules[index]);
  for (const subjects of [draft, draft.terminal]) addImplied(subjects);
  return draft;
}

function noteUnmapped(rule: DraftRule | undefined): void {
  if (rule !== undefined)
    rule.reason ??=
      'some of what it allows may not be mapped, and so on BPF not run: rules on programs and on files block parts of it, under a stronger Allow of the other kind';
}

function bySubject(): BySubject {
  return { general: emptySet(), sources: new Map() };
}

/** Every subject that has rules, programs by their paths. */
export function subjectsOf({ general, sources, terminal }: Draft): readonly BoundSubject[] {
  const programs = [...new Set([...sources.keys(), ...terminal.sources.keys()])].sort();
  return [undefined, ...programs].map((path) => {
    const own = path === undefined ? undefined : sources.get(path);
    const atTerminal = path === undefined ? undefined : terminal.sources.get(path);
    return {
      ...(path === undefined ? {} : { path }),
      sets: own === undefined ? [general] : [general, own],
      terminal: [terminal.general, ...(atTerminal === undefined ? [] : [atTerminal])].filter(says),
    };
  });
}

function says({ paths, cells, lists }: DraftSet): boolean {
  return paths.length > 0 || cells.length > 0 || Object.keys(lists).length > 0;
}

function place(draft: Draft, drafted: DraftRule, entries: RuleEntries): void {
  const made = entries.of(drafted);
  if ('plan' in made) {
    drafted.plan = made.plan;
    drafted.reason = made.reason;
    return;
  }
  if (made.note !== undefined) drafted.reason = made.note;
  drafted.unmet = made.unmet;
  const under = drafted.rule.pts === false ? draft.terminal : draft;
  const subjects =
    made.sources.length > 0 ? made.sources.map((path) => sourceSet(under, path)) : [under.general];
  for (const set of subjects) {
    set.paths.push(...made.paths);
    set.cells.push(...made.cells);
    addList(set, drafted, set === under.general);
  }
}

/** Each set after those that bind its subject besides. */
function addMapped({ general, sources, terminal }: Draft): void {
  addMappedTo(general, []);
  for (const own of sources.values()) addMappedTo(own, [general]);
  addMappedTo(terminal.general, [general]);
  for (const [program, own] of terminal.sources) {
    const always = sources.get(program) ?? emptySet();
    addMappedTo(own, [general, always, terminal.general]);
  }
}

function addMappedTo({ paths }: DraftSet, others: readonly DraftSet[]): void {
  paths.push(
    ...mappedPrograms(
      paths,
      others.flatMap((set) => set.paths),
    ),
  );
}

function boundPaths(draft: Draft): readonly BoundPaths[] {
  return [draft, draft.terminal].flatMap(({ general, sources }) => [
    { paths: general.paths },
    ...[...sources].map(([program, { paths }]) => ({ program, paths })),
  ]);
}

/** Each set with a part in a list that blocks gets what the list leaves usable besides. */
function addImplied({ general, sources }: BySubject): void {
  addImpliedTo(general, [general]);
  for (const [program, own] of sources) addImpliedTo(own, [general, own], program);
}

function addImpliedTo(set: DraftSet, sets: readonly DraftSet[], program?: string): void {
  for (const listClass of ['process', 'file'] as const) {
    const list = set.lists[listClass];
    if (list !== undefined && listOf(sets, listClass)?.posture === 'block')
      set.paths.push(...impliedEntries(listClass, list.rule, program));
  }
}

function sourceSet({ sources }: BySubject, path: string): DraftSet {
  const known = sources.get(path);
  if (known !== undefined) return known;
  const made = emptySet();
  sources.set(path, made);
  return made;
}

function addList(set: DraftSet, drafted: DraftRule, isGeneral: boolean): void {
  const { rule, index, posture, class: ruleClass, exempted } = drafted;
  if (rule.action !== 'Allow' || rule.tier !== 'normal' || !isListClass(ruleClass)) return;
  if (exempted !== undefined) return;
  const silent = posture === 'audit' && isGeneral && SILENT.has(ruleClass);
  if (silent) drafted.reason ??= 'what it does not list is not logged: too much on a whole host';
  if (posture === 'block') (set.blocking[ruleClass] ??= []).push(index);
  const known = set.lists[ruleClass];
  if (known?.posture === 'block' || (known !== undefined && posture === 'audit')) return;
  set.lists[ruleClass] = silent ? { posture, rule: index, silent } : { posture, rule: index };
}

/** Classes of which a whole host does too much to log: every file that any program opens, every packet. */
const SILENT: ReadonlySet<RuleClass> = new Set(['file', 'network']);

function isListClass(ruleClass: RuleClass): ruleClass is ListClass {
  return (LIST_CLASSES as readonly RuleClass[]).includes(ruleClass);
}
