import { cellLines } from './cell-lines.js';
import { classLines, type Line, type Mode, type PathClass } from './class-lines.js';
import type { DraftSet } from './draft.js';
import { escapeGlob } from './glob.js';
import { RUNTIME_PATHS } from './runtime-paths.js';
import type { RuleReference } from './types.js';
import { type Asker, Evaluator, listOf } from './verdict.js';

/** Exec of a source that must leave the catch-all by a rule, since stacking by attachment does not serve it. */
export interface Transition {
  readonly source: string;
  /** `px`: a profile that stands alone, found by its attachment; else the stack to enter. */
  readonly permission: string;
}

/** One profile before it is text. */
export interface ProfilePlan {
  readonly name: string;
  readonly attach?: string;
  /** The program it is for; absent for the catch-all and retired profiles. */
  readonly source?: string;
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
  'ptrace,',
  'signal,',
  'dbus,',
  'unix,',
  'mqueue,',
  'userns,',
  'io_uring,',
  'change_profile -> **,',
  'change_profile -> &**,',
];

/** A whole profile file of one variant. */
export function profileFile(
  plans: readonly ProfilePlan[],
  mode: Mode,
  context: TextContext,
): string {
  const head = `# Written by hostward; variant: ${mode}. Changes are replaced.\n`;
  return head + plans.map((plan) => profileText(plan, mode, context)).join('\n');
}

function profileText(plan: ProfilePlan, mode: Mode, context: TextContext): string {
  const attach = plan.attach === undefined ? '' : ` ${quoteAttachment(plan.attach)}`;
  const body = profileLines(plan, mode, context).map((line) => `  ${line}\n`);
  return `# ${plan.comment}\nprofile ${plan.name}${attach} ${FLAGS} {\n${body.join('')}}\n`;
}

function quoteAttachment(glob: string): string {
  return glob === '/**' ? glob : `"${glob}"`;
}

function profileLines(plan: ProfilePlan, mode: Mode, context: TextContext): readonly string[] {
  const process = classLines(pathClass(plan, 'process'), mode, context.hasPriority);
  const file = classLines(pathClass(plan, 'file'), mode, context.hasPriority);
  return [
    ...UNRESTRICTED,
    ...annotated([...file.lines, ...process.lines], context.references),
    ...transitionLines(plan, mode, process.top, context.transitions),
    ...annotated(cellLines(plan.sets, mode), context.references),
  ];
}

function pathClass({ sets, source }: ProfilePlan, name: PathClass['name']): PathClass {
  const entries = sets.flatMap(({ paths }) =>
    paths.filter(({ perms }) => (perms === 'x') === (name === 'process')),
  );
  const self = source === undefined ? [] : [[escapeGlob(source), 'rm'] as const];
  const implied = name === 'process' ? self : [...RUNTIME_PATHS, ...self];
  return { name, entries, list: listOf(sets, name), implied };
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

/** Above all other exec rules, unless they deny the exec. Other variants deny nothing, so nothing need be left. */
function transitionLines(
  plan: ProfilePlan,
  mode: Mode,
  top: number,
  transitions: readonly Transition[],
): readonly string[] {
  if (mode !== 'enforce' || transitions.length === 0) return [];
  const evaluator = new Evaluator(
    plan.sets.map((set) => ({ ...set, paths: set.paths.filter(isExec), cells: [] })),
  );
  const priority = top === 0 ? '' : `priority=${top} `;
  return transitions.flatMap(({ source, permission }) => {
    const who = allowedAskers(evaluator, source, plan.source);
    if (who === undefined) return [];
    // The second name is dpkg's, see DPKG_TWIN: a link needs the same exec rule at both ends.
    return [source, `${source}.dpkg-tmp`].map(
      (path) => `${priority}${who}"${escapeGlob(path)}" ${permission},`,
    );
  });
}

function isExec({ perms }: { readonly perms: string }): boolean {
  return perms === 'x';
}

function allowedAskers(
  evaluator: Evaluator,
  path: string,
  self: string | undefined,
): string | undefined {
  const allowed = (asker: Asker): boolean => {
    const verdict = evaluator.path(path, 'x', asker);
    return verdict.allowed || (verdict.entry === undefined && path === self);
  };
  const [owner, other] = [allowed('owner'), allowed('other')];
  if (owner && other) return '';
  if (!owner && !other) return undefined;
  return owner ? 'owner ' : 'allow other ';
}
