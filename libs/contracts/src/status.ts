/** States of a rule on a host, weakest promise last (DESIGN D10). */
export const RULE_STATES = [
  'enforced',
  'audited',
  'delivered',
  'pending',
  'unsupported',
  'failed',
  'refused',
  'unknown',
] as const;
export type RuleState = (typeof RULE_STATES)[number];

export const QUALIFIERS = ['drifted', 'stale', 'unconfirmed', 'suspended', 'cloned'] as const;
export type Qualifier = (typeof QUALIFIERS)[number];

/** What proved the state: a block in a new process, or the kernel's own copy of the profile. */
export type Proof = 'probe' | 'read-back';

export interface RuleStatus {
  /** `section/list/index`, e.g. `process/matchPaths/0`; unique within its policy. */
  readonly id: string;
  readonly state: RuleState;
  readonly proof?: Proof;
  /** Set for unsupported, failed, refused and partial coverage: what is missing, in the kernel's or parser's words. */
  readonly reason?: string;
}

export interface PolicyOnNode {
  readonly policy: string;
  /** etcd revision of the policy version, decimal. */
  readonly revision: string;
  readonly rules: readonly RuleStatus[];
}

/** What a profile does not reach: processes that run unconfined by ours. */
export interface Coverage {
  readonly confinedProcesses: number;
  readonly uncoveredProcesses: number;
  /** Up to 20 `pid comm` of uncovered processes, kernel threads left out. */
  readonly uncovered: readonly string[];
}

export interface Suspension {
  readonly mode: 'audit' | 'off';
  /** ISO 8601, UTC. */
  readonly until: string;
  readonly reason: string;
  /** `boot-guard`: the host itself, after repeated failures to boot. */
  readonly by: 'console' | 'control-plane' | 'boot-guard';
}

/** One line of `status policy`: a selected host and how the policy stands there. */
export interface NodePolicyStatus {
  readonly node: string;
  readonly state: RuleState;
  readonly qualifiers: readonly Qualifier[];
  readonly rules: readonly RuleStatus[];
  readonly coverage?: Coverage;
  readonly suspension?: Suspension;
  /** ISO 8601; absent before the first report. */
  readonly asOf?: string;
  readonly generation?: string;
}

export interface PolicyStatus {
  readonly policy: string;
  readonly revision: string;
  /** True only when every selected host enforces (or audits, for audit rules) every rule of it now, unqualified. */
  readonly enforcedEverywhere: boolean;
  readonly selected: number;
  /** Why nothing is published at present, and what to do. */
  readonly halted?: string;
  readonly nodes: readonly NodePolicyStatus[];
}

/** That the identity of a host counts no more; it keeps enforcing what it had. */
export interface RevocationView {
  readonly at: string;
  readonly by: string;
  readonly reason: string;
}

/** That a host is kept from Redis until then, since it harmed others there; it keeps enforcing what it had. */
export interface CutOffView {
  readonly at: string;
  readonly until: string;
  readonly reason: string;
}

/** That two machines use one identity: the reports of one count, what the other enforces is not known. */
export interface CloneView {
  readonly at: string;
  readonly reason: string;
}

export interface NodeStatus {
  readonly node: string;
  readonly nodeId?: string;
  readonly connected: boolean;
  readonly asOf?: string;
  readonly qualifiers: readonly Qualifier[];
  /** Why nothing is published at present, and what to do. */
  readonly halted?: string;
  readonly revocation?: RevocationView;
  readonly cutOff?: CutOffView;
  readonly clone?: CloneView;
  readonly enforcer?: Enforcer;
  /** Why this one and not the other; on AppArmor with what leads round it. */
  readonly enforcerReason?: string;
  readonly suspension?: Suspension;
  readonly coverage?: Coverage;
  readonly drift: readonly Drift[];
  readonly losses?: Losses;
  readonly policies: readonly (PolicyOnNode & { readonly state: RuleState })[];
  readonly lastRejection?: { readonly code: string; readonly message: string; readonly at: string };
}

export type Enforcer = 'apparmor' | 'bpf' | 'observe' | 'none';

/** Records of the BPF programs that were lost since the sensor started (docs/protocol/reports.md). */
export interface BpfLosses {
  readonly ring: number;
  readonly reserve: number;
  readonly scratch: number;
  readonly race: number;
  readonly throttled: number;
}

/** Alerts and records that a host lost; `bpf` is absent where that enforcer does not run. */
export interface Losses {
  readonly audit: number;
  readonly spool: number;
  readonly bpf?: BpfLosses;
}

export interface Drift {
  readonly what: string;
  readonly detectedAt: string;
  readonly repairedAt?: string;
}
