import type { PathMatch, Rule } from '#policy-model';
import { globProblem, literalPrefix, parseGlob } from './glob.js';
import { programsByLink } from './objects.js';
import { resolvedPattern } from './resolve.js';

/**
 * What the owner of a host refuses: rules for which everything that is given holds. A path that ends in a slash means
 * all below it. A rule that could reach a refused path is refused, also one that names a program by its name only.
 */
export interface VetoClass {
  readonly policies?: readonly string[];
  readonly paths?: readonly string[];
  readonly sections?: readonly string[];
  readonly actions?: readonly string[];
  /** Key ids of authors (authored mode); a policy is refused if one of those who signed it is named. */
  readonly authors?: readonly string[];
  readonly reason?: string;
}

/** An entry of `veto` in agent.yaml; a text is the name of a policy. */
export type Veto = string | VetoClass;

/** What a veto is judged by besides the rule. */
export interface VetoFacts {
  readonly authors: readonly string[];
  /** Every spelling of a path on this host. */
  readonly resolve: (path: string) => readonly string[];
}

const MAX_ENTRIES = 1000;
const MAX_VALUES = 1000;
const MAX_CHARS = 4096;
const SECTIONS = [
  'process',
  'file',
  'network',
  'capabilities',
  'dns',
  'syscalls',
  'device',
  'apparmor',
];
const RULES: Readonly<Record<string, readonly [RegExp, string]>> = {
  policies: [/^.+$/, 'policy names'],
  paths: [/^\//, 'absolute paths'],
  sections: [new RegExp(`^(${SECTIONS.join('|')})$`), `of ${SECTIONS.join(', ')}`],
  actions: [/^(Allow|Audit|Block)$/, 'of Allow, Audit, Block'],
  authors: [/^[0-9a-f]{64}$/, 'key ids of authors, 64 hexadecimal digits'],
};

/** What is wrong with the value of `veto`, or undefined. */
export function vetoProblem(value: unknown): string | undefined {
  if (!Array.isArray(value)) return 'must be a list of policy names or of classes';
  if (value.length > MAX_ENTRIES) return `must have at most ${MAX_ENTRIES} entries`;
  for (const [index, entry] of value.entries()) {
    const problem = entryProblem(entry);
    if (problem !== undefined) return `entry ${index + 1} ${problem}`;
  }
  return undefined;
}

/** The value as vetoes if `vetoProblem` finds nothing; else undefined. */
export function parseVeto(value: unknown): readonly Veto[] | undefined {
  return vetoProblem(value) === undefined ? (value as readonly Veto[]) : undefined;
}

function entryProblem(entry: unknown): string | undefined {
  if (typeof entry === 'string')
    return entry !== '' && entry.length <= 253
      ? undefined
      : 'must be a name of at most 253 characters';
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
    return 'must be a policy name or a class';
  const members = Object.entries(entry);
  const criteria = members.filter(([key]) => key !== 'reason');
  if (criteria.length === 0) return `must have one of ${Object.keys(RULES).join(', ')}`;
  return members
    .map(([key, value]) => memberProblem(key, value))
    .find((each) => each !== undefined);
}

function memberProblem(key: string, value: unknown): string | undefined {
  if (key === 'reason')
    return isText(value, 500)
      ? undefined
      : 'has a reason that is no text of at most 500 characters';
  const rule = Object.hasOwn(RULES, key) ? RULES[key] : undefined;
  if (!rule) return `has a key that does not exist: ${key}`;
  const [pattern, words] = rule;
  const sound =
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= MAX_VALUES &&
    value.every((each) => isText(each, MAX_CHARS) && pattern.test(each));
  return sound
    ? undefined
    : `has ${key} that are not a list ${words.startsWith('of') ? '' : 'of '}${words}`;
}

function isText(value: unknown, max: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= max;
}

/** Why the owner's veto refuses this rule; undefined where it does not. */
export function vetoReason(
  veto: readonly Veto[],
  rule: Rule,
  facts: VetoFacts,
): string | undefined {
  for (const entry of veto) {
    if (typeof entry === 'string') {
      if (entry !== rule.policy) continue;
      return `the owner of this host refuses the policy: veto in /etc/hostward/agent.yaml names ${rule.policy}`;
    }
    if (!refuses(entry, rule, facts)) continue;
    const named = Object.keys(entry).filter((key) => key !== 'reason');
    const said = entry.reason === undefined ? '' : `: ${entry.reason}`;
    return `the owner of this host refuses such rules (${named.join(', ')}; veto in /etc/hostward/agent.yaml)${said}`;
  }
  return undefined;
}

function refuses(
  { policies, paths, sections, actions, authors }: VetoClass,
  rule: Rule,
  facts: VetoFacts,
): boolean {
  return (
    holds(policies, (names) => names.includes(rule.policy)) &&
    holds(sections, (names) => sectionsOf(rule).some((section) => names.includes(section))) &&
    holds(actions, (names) => names.includes(rule.action)) &&
    holds(authors, (names) => facts.authors.some((author) => names.includes(author))) &&
    holds(paths, (refused) => refused.some((path) => reaches(rule, path, facts)))
  );
}

/** Rules about names stand in the section of the network, and are named `dns` too. */
function sectionsOf({ id, object }: Rule): readonly string[] {
  const [section = ''] = id.split('/');
  return object.kind === 'dns' ? [section, 'dns'] : [section];
}

function holds<T>(given: T | undefined, test: (given: T) => boolean): boolean {
  return given === undefined || test(given);
}

function reaches({ object }: Rule, refused: string, { resolve }: VetoFacts): boolean {
  const spellings = spellingsOf(refused, resolve);
  switch (object.kind) {
    case 'process':
    case 'file':
      return matchReaches(object.match, spellings, resolve);
    case 'syscall':
      return object.path === undefined || overlap([object.path], spellings);
    case 'protocol':
    case 'dns':
    case 'capability':
    case 'device':
    case 'apparmor':
    case 'exemption':
      return false;
  }
}

function matchReaches(
  match: PathMatch,
  refused: readonly string[],
  resolve: VetoFacts['resolve'],
): boolean {
  switch (match.type) {
    case 'path':
      return overlap(spellingsOf(match.path, resolve), refused);
    case 'directory':
      return overlap(spellingsOf(match.dir, resolve), refused);
    case 'execname':
      return (
        refused.some((path) => path.endsWith('/') || path.endsWith(`/${match.name}`)) ||
        overlap(programsByLink(match, resolve), refused)
      );
    case 'pattern':
      if (globProblem(match.pattern) !== undefined) return false;
      return (
        beginningsOf(match.pattern, resolve).some((fixed) =>
          refused.some(
            (path) => path.startsWith(fixed) || (path.endsWith('/') && fixed.startsWith(path)),
          ),
        ) || overlap(programsByLink(match, resolve), refused)
      );
  }
}

/** What the paths of a pattern begin with, as the rule set will have it. */
function beginningsOf(pattern: string, resolve: VetoFacts['resolve']): readonly string[] {
  return resolvedPattern(parseGlob(pattern), resolve).map(literalPrefix);
}

/** One is the other, or lies in the other that is a directory. */
function overlap(written: readonly string[], refused: readonly string[]): boolean {
  const within = (path: string, dir: string): boolean => dir.endsWith('/') && path.startsWith(dir);
  return written.some((one) =>
    refused.some((other) => one === other || within(one, other) || within(other, one)),
  );
}

/** The path as written and as the host resolves it; a final slash stays. */
function spellingsOf(path: string, resolve: VetoFacts['resolve']): readonly string[] {
  const slash = path.length > 1 && path.endsWith('/') ? '/' : '';
  const bare = slash === '' ? path : path.slice(0, -1);
  return [path, ...resolve(bare).map((each) => `${each}${slash}`)];
}
