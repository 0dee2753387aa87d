import type {
  AllowList,
  AttributionTable,
  Denial,
  ListClass,
  PathEntry,
  CellEntry,
  RuleReference,
} from './plan/types.js';
import { CAPABILITIES } from './resolve/cells.js';
import { CATCH_ALL, isOwnSubject } from './resolve/names.js';
import { queryPath } from './resolve/query-names.js';
import { type Asker, Evaluator, listClassOf, type Verdict } from './plan/verdict.js';

/** Name of what decides where no rule does: an allow-list under its posture. KubeArmor's word. */
const DEFAULT_POSTURE = 'DefaultPosture';

/**
 * The rule behind a record of AppArmor, found by asking the profile's own rules for the record's name and permission,
 * as the kernel did. Undefined for what no rule of ours caused, a denial by another profile above all.
 */
export function attribute(table: AttributionTable, denial: Denial): RuleReference | undefined {
  if (denial.operation === 'usb') return deviceRule(table, denial);
  const evaluator = evaluatorFor(table, denial.profile);
  if (evaluator === undefined) return undefined;
  if (denial.rule !== undefined && isNamed(denial)) return named(table, denial.rule, denial);
  for (const [verdict, listClass] of verdicts(evaluator, denial)) {
    const found = causeOf(table, verdict, listClass, denial.denied !== undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether the enforcer's word is all there is: on sockets, and on what stands for others and so has no name. */
function isNamed({ family, name, capability, capname }: Denial): boolean {
  return family !== undefined || (name ?? capability ?? capname) === undefined;
}

/** The rule that the enforcer named; an Allow is named for the list that it made. */
function named(
  table: AttributionTable,
  index: number,
  { family }: Denial,
): RuleReference | undefined {
  const rule = table.rules[index];
  if (rule?.action !== 'Allow') return rule;
  const section = rule.rule.startsWith('process/') ? 'process' : 'file';
  const listClass = family === undefined ? section : 'network';
  const list = table.general.lists[listClass];
  return posture(table, { list: list ?? { posture: 'audit', rule: index } }, listClass);
}

/** The rule by which the sensor judged a device; an Allow is named for the list that it made. */
function deviceRule(
  table: AttributionTable,
  { rule: index = -1, denied }: Denial,
): RuleReference | undefined {
  const rule = table.rules[index];
  if (rule?.action !== 'Allow') return rule;
  return unlisted(rule, 'device', denied === undefined ? 'audit' : 'block');
}

/** Indices of the rules of the whole host that keep root from starting a program; of a list its first Allow. */
export function forbiddingRules(table: AttributionTable, program: string): readonly number[] {
  const verdict = evaluatorFor(table, CATCH_ALL)?.path(program, 'x', 'owner');
  if (verdict?.allowed !== false) return [];
  const { denials, list } = verdict;
  return [...denials, ...(list ? [list] : [])].map(({ rule }) => rule);
}

const evaluators = new WeakMap<AttributionTable, Map<string, Evaluator>>();

/** Evaluators are kept for as long as their table: a burst of denials compiles each glob once. */
function evaluatorFor(table: AttributionTable, profile: string | undefined): Evaluator | undefined {
  if (profile === undefined || !isOwnSubject(profile)) return undefined;
  const known = evaluators.get(table) ?? new Map<string, Evaluator>();
  evaluators.set(table, known);
  const own = table.profiles[profile];
  const key = own === undefined ? '' : profile;
  const evaluator =
    known.get(key) ?? new Evaluator(own === undefined ? [table.general] : [table.general, own]);
  known.set(key, evaluator);
  return evaluator;
}

type Asked = readonly [verdict: Verdict, listClass: ListClass];

function verdicts(evaluator: Evaluator, denial: Denial): readonly Asked[] {
  if (denial.family !== undefined) {
    return socketCells(denial).map((cell) => [evaluator.cell(cell), 'network']);
  }
  const capability = denial.capname ?? CAPABILITIES[denial.capability ?? -1];
  if (capability !== undefined) {
    return [[evaluator.cell(`capability ${capability.replace(/^cap_/, '')}`), 'capabilities']];
  }
  const { name } = denial;
  if (name === undefined) return [];
  const asker = askerOf(denial);
  return permissions(denial).flatMap((perm) => pathVerdicts(evaluator, name, perm, asker, denial));
}

/** A hard link is refused, too, when its target has permissions that the new name lacks or the reverse. */
function pathVerdicts(
  evaluator: Evaluator,
  name: string,
  perm: string,
  asker: Asker,
  { operation, target }: Denial,
): readonly Asked[] {
  const names = operation === 'link' && target !== undefined ? [name, target] : [name];
  const paths = perm === 'q' ? names.map(queryPath) : names;
  return paths.map((path) => [evaluator.path(path, perm, asker), listClassOf(perm)]);
}

/** A rule speaks of a family and type, or of a whole family. */
function socketCells({ family = '', sockType = '' }: Denial): readonly string[] {
  return [`${family} ${sockType}`, family];
}

/** Without both ids the stricter view is taken: rules for others are the ones that deny. */
function askerOf({ fsuid, ouid }: Denial): Asker {
  return fsuid !== undefined && fsuid === ouid ? 'owner' : 'other';
}

const LETTERS: Readonly<Record<string, string>> = {
  r: 'r',
  w: 'w',
  a: 'w',
  c: 'w',
  d: 'w',
  l: 'l',
  k: 'k',
  m: 'm',
  x: 'x',
  q: 'q',
};

/** Permission letters of a record; creating, deleting and appending are writing. */
function permissions({ requested, denied }: Denial): readonly string[] {
  const letters = [...(denied ?? requested ?? '')].flatMap((letter) => LETTERS[letter] ?? []);
  return [...new Set(letters)];
}

function causeOf(
  table: AttributionTable,
  verdict: Verdict,
  listClass: ListClass,
  wasDenied: boolean,
): RuleReference | undefined {
  if (!verdict.allowed && verdict.entry !== undefined) return reference(table, verdict.entry);
  if (!verdict.allowed) return posture(table, verdict, listClass);
  if (wasDenied) return undefined;
  const [audit] = verdict.audits;
  if (audit !== undefined) return reference(table, audit);
  return verdict.entry === undefined ? posture(table, verdict, listClass) : undefined;
}

function reference(
  table: AttributionTable,
  entry: PathEntry | CellEntry,
): RuleReference | undefined {
  return table.rules[entry.rule];
}

/** Of an allow-list the first Allow is named, since it is what made its class a list. */
function posture(
  table: AttributionTable,
  { list }: Pick<Verdict, 'list'>,
  listClass: ListClass,
): RuleReference | undefined {
  const first = list === undefined ? undefined : table.rules[list.rule];
  if (list === undefined || list.silent || first === undefined) return undefined;
  return unlisted(first, listClass, list.posture);
}

function unlisted(
  first: RuleReference,
  section: ListClass | 'device',
  posture: AllowList['posture'],
): RuleReference {
  return {
    policy: DEFAULT_POSTURE,
    revision: first.revision,
    rule: `${section}: not listed by ${first.policy} ${first.rule}`,
    action: posture === 'block' ? 'Block' : 'Audit',
    tags: first.tags,
    ...(first.severity === undefined ? {} : { severity: first.severity }),
    ...(first.message === undefined ? {} : { message: first.message }),
  };
}
