import type { AuthoredPolicy, HostSignedStatus, StatedPolicy } from '#bundle';
import type { SeenSignedStatus } from './known-hosts.js';

/** What a signed status is held against; times in ms since 1970. */
export interface Expectation {
  readonly now: number;
  readonly maxAgeMs: number;
  /** The newest signed status of this host that was seen before. */
  readonly seen?: SeenSignedStatus;
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

/** What keeps a signed status, whose signature was checked, from saying that all is as it should be; empty: nothing. */
export function problemsOf(signedStatus: HostSignedStatus, wanted: Expectation): readonly string[] {
  return [
    ...ageProblems(signedStatus, wanted),
    ...stateProblems(signedStatus),
    ...signedStatus.policies.flatMap(ruleProblems),
    ...(wanted.wanted ? documentProblems(signedStatus, wanted.wanted) : []),
  ];
}

/** Whether the signed status comes before one that was seen: played back, or a host that was set back. */
export function isOlder(
  signedStatus: SeenSignedStatus,
  seen: SeenSignedStatus | undefined,
): boolean {
  if (seen === undefined) return false;
  const started = signedStatus.bootedAt - seen.bootedAt;
  return started < 0 || (started === 0 && signedStatus.sequence < seen.sequence);
}

function ageProblems(
  signedStatus: HostSignedStatus,
  { now, maxAgeMs, seen, rootVersion }: Expectation,
): readonly string[] {
  const ageMs = now - signedStatus.at;
  const found: readonly (readonly [boolean, string])[] = [
    [isOlder(signedStatus, seen), 'is older than one that was seen here: it was played back'],
    [ageMs > maxAgeMs, `was signed ${seconds(ageMs)} ago, at most ${seconds(maxAgeMs)} count`],
    [ageMs < -CLOCK_TOLERANCE_MS, `is dated ${seconds(-ageMs)} ahead of this machine's clock`],
    [
      signedStatus.at - signedStatus.asOf > READ_BACK_MS,
      `says that the kernel was last read back ${seconds(signedStatus.at - signedStatus.asOf)} before`,
    ],
    [
      signedStatus.rootVersion < rootVersion,
      `follows version ${signedStatus.rootVersion} of the root document, not yet ${rootVersion}`,
    ],
    [
      signedStatus.rootVersion > rootVersion,
      `follows version ${signedStatus.rootVersion} of the root document, which the control plane does not show`,
    ],
  ];
  return found.flatMap(([holds, words]) => (holds ? [words] : []));
}

function stateProblems(signedStatus: HostSignedStatus): readonly string[] {
  const { conditions, suspension, mode, enforcer } = signedStatus;
  const unmarked = enforcer === 'apparmor' && mode !== 'enforce' && suspension === undefined;
  return [
    ...conditions.map((condition) => `says that the host is ${condition}`),
    ...(unmarked ? [`says that the host is in mode ${mode}`] : []),
  ];
}

function ruleProblems({ name, states }: StatedPolicy): readonly string[] {
  const missing = Object.entries(states).filter(([state]) => !HELD.has(state));
  const words = missing.map(([state, count]) => `${count} ${state}`).join(', ');
  return missing.length > 0 ? [`says that rules of ${name} are not in force: ${words}`] : [];
}

function documentProblems(
  signedStatus: HostSignedStatus,
  { policies, suspended }: NonNullable<Expectation['wanted']>,
): readonly string[] {
  const stated = new Map(signedStatus.policies.map((policy) => [policy.name, policy]));
  const signed = new Set(policies.map(({ name }) => name));
  const unsigned = signedStatus.policies.filter(({ name }) => !signed.has(name));
  return [
    ...policies.flatMap((policy) => difference(policy, stated.get(policy.name)) ?? []),
    ...unsigned.map(({ name }) => `names policy ${name}, which the files do not select for it`),
    ...(signedStatus.suspension?.by === 'control-plane' && !suspended
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
