import { compareAssignmentVersion } from '#bundle';
import {
  SIMULATED_KERNEL,
  breaksPromise,
  type CloneView,
  type CutOffView,
  type NodePolicyStatus,
  type NodeReport,
  type AssignmentVersion,
  type PolicyOnNode,
  type Condition,
  type RevocationView,
  type RuleState,
  type RuleStatus,
  type Suspension,
} from '#contracts';
import type { BundledPolicy } from '../delivery/bundle-index.js';
import type { Freshness } from './freshness.js';
import { weakest } from './weakest.js';

/** A rule of the policy as it is now, and which states keep its promise. */
interface WantedRule {
  readonly id: string;
  readonly keptBy: readonly RuleState[];
  /** It is a Block. */
  readonly takes: boolean;
}

/** The policy whose status is asked for, as etcd has it. */
export interface WantedPolicy {
  readonly name: string;
  readonly revision: string;
  /** What is signed of it, as in its envelope. */
  readonly payload: string;
  readonly paused: boolean;
  readonly rules: readonly WantedRule[];
}

/** What this control plane last wrote for the host; absent before the first write. */
export interface Delivered {
  readonly epoch: string;
  readonly generation: string;
  readonly bundleDigest: string;
  /** Since which assignment version the host is to do the same; undefined where that is not known. */
  readonly first?: AssignmentVersion;
  readonly suspension?: {
    readonly mode: 'audit' | 'off';
    readonly until: string;
    readonly reason: string;
  };
  /** Policies of the bundle by name. */
  readonly policies: ReadonlyMap<string, BundledPolicy>;
}

/** Everything one line of a policy's status is made of. */
export interface Evidence {
  readonly node: string;
  readonly delivered?: Delivered;
  /** Why the host keeps what it has: what it is to have cannot be bundled. */
  readonly unbundled?: string;
  readonly report?: NodeReport;
  readonly freshness: Freshness;
  /** Set where the host is not served any more: what it enforces now is not known. */
  readonly revocation?: RevocationView;
  readonly cutOff?: CutOffView;
  /** Set where another machine enforces under this identity too, and what it enforces is not known. */
  readonly clone?: CloneView;
  /** Exceptions that hold on this host, by the policy they except from. */
  readonly excepted?: ReadonlyMap<string, Excepted>;
  /** The policy of an exception that has ended and is in what was written last: which policies it allows is not known. */
  readonly endedException?: string;
}

/** An exception from a policy, as a reader needs it. */
export interface Excepted {
  readonly id: string;
  readonly until: string;
}

/**
 * How a policy stands on one host. Only the host's own, fresh report about the very revision that is wanted can say
 * `enforced`; in every other case the answer is what we know for sure.
 */
export function statusOnNode(policy: WantedPolicy, evidence: Evidence): NodePolicyStatus {
  const rules = rulesOnNode(policy, evidence);
  const conditions = conditionsOf(evidence);
  const { report, delivered, freshness } = evidence;
  return {
    node: evidence.node,
    state: weakest(rules.map((rule) => rule.state)) ?? 'unknown',
    kept: keepsPromise(policy, rules, conditions),
    conditions,
    rules,
    coverage: freshness.fresh ? report?.coverage : undefined,
    suspension: suspensionOf(evidence),
    asOf: report?.asOf,
    generation: report?.applied?.generation ?? delivered?.generation,
  };
}

function rulesOnNode(policy: WantedPolicy, evidence: Evidence): readonly RuleStatus[] {
  const all = (state: RuleState, reason?: string): readonly RuleStatus[] =>
    policy.rules.map(({ id }) => ({ id, state, reason }));
  const { delivered, report, freshness, revocation } = evidence;
  if (revocation) return all('unknown', `the host is revoked: ${revocation.reason}`);
  if (policy.paused) return all('pending', 'the policy is paused');
  const given = delivered?.policies.get(policy.name);
  // A restored etcd may have another document at the revision that the host has.
  if (!delivered || given?.revision !== policy.revision || given.payload !== policy.payload)
    return all('pending', keepsBack(evidence));
  if (!report) return all('delivered', 'the host has not reported');
  if (!freshness.fresh) return all('unknown', freshness.reason);
  if (!hasApplied(report, delivered)) return all('delivered', rejectionOf(report, delivered));
  const reported = report.policies.find((entry) => entry.policy === policy.name);
  if (reported?.revision !== policy.revision) return all('delivered');
  return policy.rules.map((rule, at) =>
    exceptedRule(ruleOnNode(rule.id, at, reported), exceptionFrom(policy.name, rule, evidence)),
  );
}

/** Why a host is told nothing new. */
export function keepsBack({ unbundled }: Evidence): string | undefined {
  return unbundled && `the host keeps what it has, since its policies exceed a limit: ${unbundled}`;
}

/** Sections that an exception is about; rules of others stay in force under it. */
const EXCEPTED_SECTIONS = /^(process|file|network|capabilities|device)\//;

/** What a host says of a rule that an exception undoes: `delivered` where it knows that nothing is left of it. */
const UNDONE: ReadonlySet<RuleState> = new Set(['enforced', 'audited', 'delivered']);

/** What an exception allows is in the kernel and blocks nothing. */
function exceptedRule(rule: RuleStatus, reason: string | undefined): RuleStatus {
  if (reason === undefined || !EXCEPTED_SECTIONS.test(rule.id)) return rule;
  if (!UNDONE.has(rule.state)) return rule;
  const { id, proof } = rule;
  return { id, state: 'delivered', reason, ...(proof && { proof }) };
}

/** A list from which it exempts is left to the host's own word: one of an older version goes on refusing what is not listed. */
function exceptionFrom(
  policy: string,
  { takes }: WantedRule,
  { excepted, endedException }: Evidence,
): string | undefined {
  const holds = takes ? excepted?.get(policy) : undefined;
  if (holds) return `exception ${holds.id} allows it until ${holds.until}`;
  return endedException && `the host still has ${endedException}, which has ended`;
}

/** Hosts report the rules of a policy in its order, so the place is tried first. */
function ruleOnNode(id: string, at: number, reported: PolicyOnNode): RuleStatus {
  const there = reported.rules[at];
  if (there?.id === id) return there;
  return (
    reported.rules.find((rule) => rule.id === id) ?? {
      id,
      state: 'unknown',
      reason: 'the report of the host does not name this rule',
    }
  );
}

/**
 * True where what the host has applied is the very bundle it is to have. A greater generation proves nothing: after a
 * restore of etcd the same revisions come again with other policies. Nor does the bundle by itself: it may have been taken
 * away, with this report written before that, and given back.
 */
export function hasApplied({ applied }: NodeReport, { bundleDigest, first }: Delivered): boolean {
  if (applied?.bundleDigest !== bundleDigest) return false;
  return first === undefined || compareAssignmentVersion(applied, first) >= 0;
}

/** In which words a host has rejected what it is to have, if it did. */
export function rejectionOf(report: NodeReport, delivered: Delivered): string | undefined {
  const { rejected } = report;
  if (rejected?.generation === undefined) return undefined;
  const aboutThis = BigInt(rejected.generation) >= BigInt(delivered.generation);
  return aboutThis ? `the host rejected it: ${rejected.code}: ${rejected.message}` : undefined;
}

function conditionsOf({ report, delivered, clone }: Evidence): readonly Condition[] {
  const found = new Set<Condition>(report?.conditions);
  if (report?.suspension || delivered?.suspension) found.add('suspended');
  if (clone) found.add('cloned');
  if (isSimulated(report)) found.add('simulated');
  return [...found];
}

function suspensionOf({ report, delivered }: Evidence): Suspension | undefined {
  if (report?.suspension) return report.suspension;
  return delivered?.suspension && { ...delivered.suspension, by: 'control-plane' };
}

/** Whether `hostward sim` runs the host that reported. */
export function isSimulated(report: NodeReport | undefined): boolean {
  return report?.host.kernel === SIMULATED_KERNEL;
}

/** Whether a host keeps the whole promise of a policy now: every rule, and no condition but that it is simulated. */
function keepsPromise(
  policy: WantedPolicy,
  rules: readonly RuleStatus[],
  conditions: readonly Condition[],
): boolean {
  if (policy.paused || policy.rules.length === 0 || conditions.some(breaksPromise)) return false;
  return policy.rules.every(({ keptBy }, at) => keptBy.some((state) => state === rules[at]?.state));
}
