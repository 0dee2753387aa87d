import { cellLines } from './cell-lines.js';
import { classLines, type Line, type Mode, type PathClass } from './class-lines.js';
import { isOnPrograms } from '../plan/conflicts.js';
import type { DraftSet } from '../plan/draft.js';
import { escapeGlob } from '../resolve/glob.js';
import { leavingLines, type Transition } from './leaving.js';
import type { Placed } from '../plan/rule-entries.js';
import type { RuleReference } from '../plan/types.js';
import { type Asker, Evaluator, listOf } from '../plan/verdict.js';

/** One profile before it is text. */
export interface ProfilePlan {
  readonly name: string;
  readonly attach?: string;
  /** General rules first, then its own. */
  readonly sets: readonly DraftSet[];
  readonly comment: string;
}

export interface TextContext {
  readonly references: readonly RuleReference[];
  readonly transitions: readonly Transition[];
  readonly hasPriority: boolean;
}

const FLAGS = 'flags=(attach_disconnected,mediate_deleted)';

/** Classes that no policy speaks of; features that a kernel lacks are left out by the parser. */
const UNRESTRICTED = [
  'capability,',
  'network,',
  'mount,',
  'remount,',
  'umount,',
  'pivot_root,',
  'dbus,',
  'unix,',
  'mqueue,',
  'userns,',
  'io_uring,',
];

export interface ProfileFile {
  readonly text: string;
  /** Rules that watch, of which a part is not logged. */
  readonly unwatched: ReadonlySet<number>;
}

/** A whole profile file of one variant. */
export function profileFile(
  plans: readonly ProfilePlan[],
  mode: Mode,
  context: TextContext,
): ProfileFile {
  const head = `# Written by hostward; variant: ${mode}. Changes are replaced.\n`;
  const bodies = plans.map((plan) => profileLines(plan, mode, context));
  const profiles = plans.map((plan, at) => profileText(plan, bodies[at]?.lines ?? []));
  return {
    text: head + profiles.join('\n'),
    unwatched: new Set(bodies.flatMap(({ unwatched }) => unwatched)),
  };
}

function profileText(plan: ProfilePlan, lines: readonly string[]): string {
  const attach = plan.attach === undefined ? '' : ` ${quoteAttachment(plan.attach)}`;
  const body = lines.map((line) => `  ${line}\n`);
  return `# ${plan.comment}\nprofile ${plan.name}${attach} ${FLAGS} {\n${body.join('')}}\n`;
}

function quoteAttachment(glob: string): string {
  return glob === '/**' ? glob : `"${glob}"`;
}

interface ProfileLines {
  readonly lines: readonly string[];
  readonly unwatched: readonly number[];
}

function profileLines(plan: ProfilePlan, mode: Mode, context: TextContext): ProfileLines {
  const process = classLines(pathClass(plan, 'process', mode), mode, context.hasPriority);
  const leaving = transitionRules(plan, mode, process.top, context);
  const floor = Math.max(process.top, ...leaving.map(({ priority }) => priority));
  const file = classLines(pathClass(plan, 'file', mode), mode, context.hasPriority, floor);
  const lines = [
    ...UNRESTRICTED,
    ...leavingLines(plan.name, mode),
    ...annotated([...file.lines, ...process.lines], context.references),
    ...transitionTexts(leaving),
    ...annotated(cellLines(plan.sets, mode), context.references),
  ];
  return { lines, unwatched: [...process.unwatched, ...file.unwatched] };
}

function pathClass({ sets }: ProfilePlan, name: PathClass['name'], mode: Mode): PathClass {
  const entries = sets.flatMap(({ paths }) =>
    paths.flatMap((entry) => partOf(entry, name, mode === 'audit')),
  );
  return { name, entries, list: listOf(sets, name) };
}

/** What an entry says of a class. Of a program that only would be denied its exec is logged, not its mapping too. */
function partOf(entry: Placed, name: PathClass['name'], audited: boolean): readonly Placed[] {
  if (name === 'process') return isExec(entry) ? [{ ...entry, perms: 'x' }] : [];
  if (!isOnPrograms(entry)) return [entry];
  const perms = entry.perms.replace('x', '');
  if (perms === '' || (audited && entry.effect === 'deny')) return [];
  return [{ ...entry, perms, program: true }];
}

/** One line a distinct text, with up to three of the rules that it stands for. */
function annotated(
  lines: readonly Line[],
  references: readonly RuleReference[],
): readonly string[] {
  const rules = new Map<string, Set<string>>();
  for (const { text, rule } of lines) {
    const names = rules.get(text) ?? new Set();
    const reference = rule === undefined ? undefined : references[rule];
    if (reference !== undefined && names.size < 3)
      names.add(`${reference.policy} ${reference.rule}`);
    rules.set(text, names);
  }
  return [...rules].map(([text, names]) =>
    names.size === 0 ? text : `${text} # ${[...names].join('; ')}`,
  );
}

/** Above all other exec rules, unless they deny the exec. */
function transitionRules(
  plan: ProfilePlan,
  mode: Mode,
  top: number,
  { transitions, hasPriority }: TextContext,
): readonly TransitionRule[] {
  const evaluator = new Evaluator(
    plan.sets.map((set) => ({ ...set, paths: set.paths.filter(isExec), cells: [] })),
  );
  return transitions.flatMap((transition) => {
    const { source, permission, always } = transition;
    const contested = isContested(evaluator, source);
    const priority = hasPriority && (always === true || contested) ? Math.max(top, 1) : top;
    // Without priorities the parser takes one exec rule for a path only: that of the policy.
    if (always === true && priority === 0 && contested) return [];
    return askers(transition, mode, evaluator).map((who) => ({
      ...{ path: escapeGlob(source), priority, who, end: permission },
    }));
  });
}

interface TransitionRule {
  readonly path: string;
  readonly priority: number;
  readonly who: string;
  readonly end: string;
}

/**
 * One line for all paths that lead to the same, which needs priorities: only an exact path stands above the base
 * without. The second name of each is dpkg's, see DPKG_TWIN: a link needs the same exec rule at both ends.
 */
function transitionTexts(rules: readonly TransitionRule[]): readonly string[] {
  const groups = Map.groupBy(rules, ({ priority, who, end }) => `${priority} ${who}${end}`);
  return [...groups.values()].flatMap((group) => {
    const [{ priority, who, end } = { priority: 0, who: '', end: '' }] = group;
    const paths = group.map(({ path }) => path);
    if (priority > 0)
      return [`priority=${priority} ${who}"${eitherOf(paths)}{,.dpkg-tmp}" ${end},`];
    const twins = paths.flatMap((path) => [path, `${path}.dpkg-tmp`]);
    return twins.map((path) => `${who}"${path}" ${end},`);
  });
}

/** A glob has to begin with a slash. */
function eitherOf(paths: readonly string[]): string {
  const [only = '', ...more] = paths;
  return more.length === 0 ? only : `/{${paths.map((path) => path.slice(1)).join(',')}}`;
}

/** Who may start it, as words of a rule each; none: nobody, or there is nothing to leave in this variant. */
function askers(
  { source, always }: Transition,
  mode: Mode,
  evaluator: Evaluator,
): readonly string[] {
  if (mode !== 'enforce' && always !== true) return [];
  return mode === 'open' ? [''] : allowedAskers(evaluator, source);
}

/** Whether another rule may speak of the exec. */
function isContested(evaluator: Evaluator, path: string): boolean {
  return (['owner', 'other'] as const).some((asker) => {
    const { entry, audits } = evaluator.path(path, 'x', asker);
    return entry !== undefined || audits.length > 0;
  });
}

function isExec({ perms }: { readonly perms: string }): boolean {
  return perms.includes('x');
}

/** What the rule stands above would have told of a start, so it tells itself. */
function allowedAskers(evaluator: Evaluator, path: string): readonly string[] {
  const words = (asker: Asker): string | undefined => {
    const { allowed, entry, audits, list } = evaluator.path(path, 'x', asker);
    if (!allowed) return undefined;
    const unlisted = entry === undefined && list !== undefined && !list.silent;
    return audits.length > 0 || unlisted ? 'audit ' : '';
  };
  const [owner, other] = [words('owner'), words('other')];
  if (owner !== undefined && owner === other) return [owner];
  return [
    ...(owner === undefined ? [] : [`${owner}owner `]),
    ...(other === undefined ? [] : [`${other}allow other `]),
  ];
}
