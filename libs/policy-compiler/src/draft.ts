import { type DraftRule, isLive } from './draft-rule.js';
import { PatternBudget } from './pattern-budget.js';
import { type Placed, type PlacedCell, RuleEntries } from './rule-entries.js';
import type { AllowList, EntrySet, HostCapabilities, ListClass, RuleClass } from './types.js';

/** Entries with the objects they came from, which the texts need and the table does not. */
export interface DraftSet extends EntrySet {
  readonly paths: Placed[];
  readonly cells: PlacedCell[];
  readonly lists: Partial<Record<ListClass, AllowList>>;
}

/** What the rules say, by subject: everybody, or one program (by the path that the kernel sees). */
export interface Draft {
  readonly rules: readonly DraftRule[];
  readonly general: DraftSet;
  readonly sources: Map<string, DraftSet>;
}

/** An entry set without anything in it. */
export function emptySet(): DraftSet {
  return { paths: [], cells: [], lists: {} };
}

type Host = Pick<HostCapabilities, 'resolve' | 'bpf'>;

/** Places every live rule under its subjects; a rule that cannot be written gets its reason instead. */
export function placeRules(rules: readonly DraftRule[], host: Host): Draft {
  const draft: Draft = { rules, general: emptySet(), sources: new Map() };
  const entries = new RuleEntries(host.resolve, new PatternBudget(), host.bpf === true);
  for (const rule of rules) {
    if (isLive(rule)) place(draft, rule, entries);
  }
  return draft;
}

function place(draft: Draft, drafted: DraftRule, entries: RuleEntries): void {
  const made = entries.of(drafted);
  if ('plan' in made) {
    drafted.plan = made.plan;
    drafted.reason = made.reason;
    return;
  }
  if (made.note !== undefined) drafted.reason = made.note;
  const subjects =
    made.sources.length > 0 ? made.sources.map((path) => sourceSet(draft, path)) : [draft.general];
  for (const set of subjects) {
    set.paths.push(...made.paths);
    set.cells.push(...made.cells);
    addList(set, drafted, set === draft.general);
  }
}

function sourceSet(draft: Draft, path: string): DraftSet {
  const known = draft.sources.get(path);
  if (known !== undefined) return known;
  const made = emptySet();
  draft.sources.set(path, made);
  return made;
}

function addList(set: DraftSet, drafted: DraftRule, isGeneral: boolean): void {
  const { rule, index, posture, class: ruleClass } = drafted;
  if (rule.action !== 'Allow' || rule.tier !== 'normal' || !isListClass(ruleClass)) return;
  const silent = posture === 'audit' && isGeneral && SILENT.has(ruleClass);
  if (silent) drafted.reason ??= 'what it does not list is not logged: too much on a whole host';
  const known = set.lists[ruleClass];
  if (known?.posture === 'block' || (known !== undefined && posture === 'audit')) return;
  set.lists[ruleClass] = silent ? { posture, rule: index, silent } : { posture, rule: index };
}

/** Classes of which a whole host does too much to log: every file that any program opens, every packet. */
const SILENT: ReadonlySet<RuleClass> = new Set(['file', 'network']);

function isListClass(ruleClass: RuleClass): ruleClass is ListClass {
  return ['process', 'file', 'network', 'capabilities'].includes(ruleClass);
}
