import type { RedirectReport } from './redirect.js';

/** States of a rule on a host, weakest promise last (D10). */
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

/**
 * What an otherwise good state lacks. `simulated` (by `hostward sim`) alone does not break a promise: so that a rehearsal
 * goes as the real thing would, a simulated host counts for what it says, and is named for what it is.
 */
export const CONDITIONS = [
  'drifted',
  'stale',
  'unconfirmed',
  'suspended',
  'cloned',
  'simulated',
] as const;
export type Condition = (typeof CONDITIONS)[number];

/** Whether a condition breaks the promise of a policy. */
export function breaksPromise(condition: Condition): boolean {
  return condition !== 'simulated';
}

/** What proved the state: a block in a new process, or the kernel's own copy of the profile. */
export type Proof = 'probe' | 'read-back';

/** What a policy may have, so that a host can report all of them. */
export const MAX_RULES_PER_POLICY = 20_000;

export interface RuleStatus {
  /** `section/list/index`, e.g. `process/matchPaths/0`; unique within its policy. */
  readonly id: string;
  readonly state: RuleState;
  /** Of `delivered`: it is in force, and nothing comes of it, as its reason says; waiting changes nothing. */
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

/** What the rules do not reach: processes that run unconfined by ours, and files by their other names. */
export interface Coverage {
  readonly confinedProcesses: number;
  readonly uncoveredProcesses: number;
  /** Up to 20 `pid comm` of uncovered processes, kernel threads left out. */
  readonly uncovered: readonly string[];
  /**
   * Of BPF: why some files that had several names before the rules are judged by the one that they are asked for by, so
   * that a rule that speaks of another one is passed; absent where all of them were found.
   */
  readonly byPathAlone?: string;
}

export interface Suspension {
  readonly mode: 'audit' | 'off';
  /** ISO 8601, UTC. */
  readonly until: string;
  readonly reason: string;
  /** `boot-guard`: the host itself, after repeated failures to boot. */
  readonly by: 'console' | 'control-plane' | 'boot-guard';
}

/** That a newer version of the host's package did not come up, and the host went back by itself. */
export interface RolledBack {
  /** Version of the package that did not come up. */
  readonly from: string;
  /** Version that runs. */
  readonly to: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly reason: string;
}

/** One line of `status policy`, an item of `GET /v1/policies/{name}/nodes`: how a policy stands on a selected host. */
export interface NodePolicyStatus {
  readonly node: string;
  /** Of its weakest rule. */
  readonly state: RuleState;
  /** Whether the host keeps the whole promise of the policy now. */
  readonly kept: boolean;
  readonly conditions: readonly Condition[];
  readonly rules: readonly RuleStatus[];
  readonly coverage?: Coverage;
  readonly suspension?: Suspension;
  /** ISO 8601; absent before the first report. */
  readonly asOf?: string;
  readonly generation?: string;
}

/** Hosts for which a group of a summary gives one reason; `examples` are the first names. */
export interface ReasonGroup {
  readonly reason: string;
  readonly hosts: number;
  readonly examples: readonly string[];
}

/** Hosts of one state, with the same conditions, that all keep the promise of the policy or all do not. */
export interface StatusGroup {
  readonly state: RuleState;
  readonly conditions: readonly Condition[];
  readonly kept: boolean;
  readonly hosts: number;
  /** The first names. */
  readonly examples: readonly string[];
  /** Of the weakest rule of each host, those of most hosts first, a few; hosts may have none. */
  readonly reasons: readonly ReasonGroup[];
}

/** Hosts in the `nodes` of a PolicyStatus, at most. */
export const STATUS_NODES = 100;

/** `GET /v1/policies/{name}/status`; bounded, however many hosts are selected. */
export interface PolicyStatus {
  readonly policy: string;
  readonly revision: string;
  /** True only when every selected host enforces (or audits, for audit rules) every rule of it now, with no condition that breaks it. */
  readonly enforcedEverywhere: boolean;
  readonly selected: number;
  /** Selected hosts that do not keep the promise. */
  readonly stragglers: number;
  /** True where waiting changes nothing: enforced everywhere, or each host enforces a rule, has decided against it or has it in force in vain. */
  readonly settled: boolean;
  /** Why nothing is published at present, and what to do. */
  readonly halted?: string;
  /** All selected hosts, counted; in the order of RULE_STATES. */
  readonly summary: readonly StatusGroup[];
  /**
   * By name, STATUS_NODES at most. Where there are more hosts, those that do not keep the promise come in first; all of
   * them are at `GET /v1/policies/{name}/nodes`.
   */
  readonly nodes: readonly NodePolicyStatus[];
}

/** A host that may enforce a policy which it is not to have, and why that is not known to be over. */
export interface RemainingNode {
  readonly node: string;
  readonly reason: string;
}

/**
 * `GET /v1/policies/{name}/remains`: where a policy may still be enforced that was deleted, is paused or does not select the
 * host; also of a name that no policy has. A host counts until it has reported what it is to have now. Revoked hosts, which
 * are told nothing any more, are left out.
 */
export interface PolicyRemains {
  readonly policy: string;
  readonly hosts: number;
  /** False where this control plane does not know the whole fleet: there may be more hosts. */
  readonly complete: boolean;
  /** Why nothing is published at present, and what to do. */
  readonly halted?: string;
  /** By name, STATUS_NODES at most. */
  readonly nodes: readonly RemainingNode[];
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
  readonly conditions: readonly Condition[];
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
  readonly visibility?: Visibility;
  readonly rolledBack?: RolledBack;
  /** Those that select it; of one that is paused nothing is to be in force. */
  readonly policies: readonly (PolicyOnNode & {
    readonly state: RuleState;
    readonly paused?: true;
  })[];
  readonly redirect?: RedirectReport;
  readonly lastRejection?: { readonly code: string; readonly message: string; readonly at: string };
}

export type Enforcer = 'apparmor' | 'bpf' | 'observe' | 'none';

/** Records of the BPF programs that were lost since the sensor started (docs/reference/protocol/events.md). */
export interface BpfLosses {
  readonly ring: number;
  readonly reserve: number;
  readonly scratch: number;
  readonly race: number;
  readonly throttled: number;
}

/** Telemetry events that were not told since the sensor started (docs/reference/protocol/events.md). */
export interface VisibilityLosses {
  readonly ring: number;
  readonly scratch: number;
  readonly race: number;
  readonly repeated: number;
  readonly queue: number;
}

/** What a host watches beside what it enforces; `reason` says why not all that is wanted. */
export interface Visibility {
  readonly wanted: readonly string[];
  readonly watched: readonly string[];
  readonly reason?: string;
  readonly losses: VisibilityLosses & { readonly agent: number };
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
