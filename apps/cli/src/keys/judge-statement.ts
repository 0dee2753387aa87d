import type { AuthoredPolicy, HostStatement, StatedPolicy } from '#bundle';
import type { SeenStatement } from './known-hosts.js';

/** What a statement is held against; times in ms since 1970. */
export interface Expectation {
  readonly now: number;
  readonly maxAgeMs: number;
  /** The newest statement of this host that was seen before. */
  readonly seen?: SeenStatement;
  /** Of the root document that is believed here. */
  readonly rootVersion: number;
  /** What authors signed for this host, where the operator has it. */
  readonly wanted?: { readonly policies: readonly AuthoredPolicy[]; readonly suspended: boolean };
}

/** How far a host's clock may be ahead of ours. */
const CLOCK_TOLERANCE_MS = 60_000;
/** A kernel that was last read back longer ago than this, when it was signed, is not known. */
const READ_BACK_MS = 65_000;
const HELD = new Set(['enforced', 'audited']);

/** What keeps a statement, whose signature was checked, from saying that all is as it should be; empty: nothing. */
export function problemsOf(statement: HostStatement, wanted: Expectation): readonly string[] {
  return [
    ...ageProblems(statement, wanted),
    ...stateProblems(statement),
    ...statement.policies.flatMap(ruleProblems),
    ...(wanted.wanted ? documentProblems(statement, wanted.wanted) : []),
  ];
}

/** Whether the statement comes before one that was seen: played back, or a host that was set back. */
export function isOlder(statement: SeenStatement, seen: SeenStatement | undefined): boolean {
  if (seen === undefined) return false;
  const started = statement.bootedAt - seen.bootedAt;
  return started < 0 || (started === 0 && statement.sequence < seen.sequence);
}

function ageProblems(
  statement: HostStatement,
  { now, maxAgeMs, seen, rootVersion }: Expectation,
): readonly string[] {
  const ageMs = now - statement.at;
  const found: readonly (readonly [boolean, string])[] = [
    [isOlder(statement, seen), 'is older than one that was seen here: it was played back'],
    [ageMs > maxAgeMs, `was signed ${seconds(ageMs)} ago, at most ${seconds(maxAgeMs)} count`],
    [ageMs < -CLOCK_TOLERANCE_MS, `is dated ${seconds(-ageMs)} ahead of this machine's clock`],
    [
      statement.at - statement.asOf > READ_BACK_MS,
      `says that the kernel was last read back ${seconds(statement.at - statement.asOf)} before`,
    ],
    [
      statement.rootVersion < rootVersion,
      `follows version ${statement.rootVersion} of the root document, not yet ${rootVersion}`,
    ],
    [
      statement.rootVersion > rootVersion,
      `follows version ${statement.rootVersion} of the root document, which the control plane does not show`,
    ],
  ];
  return found.flatMap(([holds, words]) => (holds ? [words] : []));
}

function stateProblems(statement: HostStatement): readonly string[] {
  const { qualifiers, suspension, mode, enforcer } = statement;
  const unmarked = enforcer === 'apparmor' && mode !== 'enforce' && suspension === undefined;
  return [
    ...qualifiers.map((qualifier) => `says that the host is ${qualifier}`),
    ...(unmarked ? [`says that the host is in mode ${mode}`] : []),
  ];
}

function ruleProblems({ name, states }: StatedPolicy): readonly string[] {
  const missing = Object.entries(states).filter(([state]) => !HELD.has(state));
  const words = missing.map(([state, count]) => `${count} ${state}`).join(', ');
  return missing.length > 0 ? [`says that rules of ${name} are not in force: ${words}`] : [];
}

function documentProblems(
  statement: HostStatement,
  { policies, suspended }: NonNullable<Expectation['wanted']>,
): readonly string[] {
  const stated = new Map(statement.policies.map((policy) => [policy.name, policy]));
  const signed = new Set(policies.map(({ name }) => name));
  const unsigned = statement.policies.filter(({ name }) => !signed.has(name));
  return [
    ...policies.flatMap((policy) => difference(policy, stated.get(policy.name)) ?? []),
    ...unsigned.map(({ name }) => `names policy ${name}, which the files do not select for it`),
    ...(statement.suspension?.by === 'control-plane' && !suspended
      ? ['says that it is suspended, which nobody signed in the files']
      : []),
  ];
}

function difference(
  { name, version, digest }: AuthoredPolicy,
  stated: StatedPolicy | undefined,
): string | undefined {
  if (stated === undefined) return `does not name policy ${name}, which was signed for it`;
  const { document } = stated;
  if (document === undefined) return `does not say which version of ${name} is in force`;
  if (document.version !== version)
    return `names version ${document.version} of ${name}; version ${version} was signed`;
  return document.digest === digest
    ? undefined
    : `names another document as version ${version} of ${name} than was signed`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
