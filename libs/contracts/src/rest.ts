import type { Alert } from './alert.js';
import type { AttestationKind } from './enrollment.js';
import type { CloneView, CutOffView, RevocationView, RolledBack } from './status.js';

/** RFC 9457 problem document; `errors` name field, value and remedy. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  /** Of `POST /apply`: the verdict of every document, also of those that are right. */
  readonly documents?: readonly ApplyDocument[];
}

export interface FieldError {
  /** `documents[0].spec.process.matchPaths[1].path`, or a query or body field. */
  readonly field: string;
  readonly value?: string;
  readonly message: string;
  readonly remedy: string;
  readonly line?: number;
  readonly column?: number;
}

export type ApplyVerdict = 'created' | 'configured' | 'unchanged' | 'pruned' | 'invalid';

/** `POST /v1/apply?dryRun&prune&owner&selector&allHosts&overrideProtection&overrideUnreadable`; body YAML or JSON, several documents. */
export interface ApplyResponse {
  readonly dryRun: boolean;
  /** etcd revision at which all documents became visible; absent when nothing was written. */
  readonly revision?: string;
  readonly documents: readonly ApplyDocument[];
  /** Other policies in force that hosts have by groups and hosts of the set; absent where there are none. */
  readonly affectedPolicies?: readonly string[];
  /** Policies in force, pruned ones aside, of which the set may have taken hosts: `remains` of each says which have them still. Absent where there are none. */
  readonly lostPolicies?: readonly string[];
}

export interface ApplyDocument {
  readonly index: number;
  readonly kind: string;
  readonly name: string;
  readonly verdict: ApplyVerdict;
  readonly revision?: string;
  readonly selectedNodes?: number;
  readonly errors: readonly FieldError[];
  readonly warnings: readonly FieldError[];
}

/** A page of a list; `next` goes into `?cursor=`. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
  readonly revision: string;
}

export interface PolicyView {
  readonly name: string;
  readonly revision: string;
  readonly paused: boolean;
  readonly tier: string;
  readonly rules: number;
  readonly selected: number;
  readonly appliedAt: string;
  readonly appliedBy: string;
  readonly document: unknown;
}

export interface PolicyVersion {
  readonly version: number;
  readonly revision: string;
  readonly at: string;
  readonly by: string;
  readonly change: 'created' | 'configured' | 'deleted' | 'rolled-back' | 'paused' | 'resumed';
  readonly document?: unknown;
}

export interface NodeView {
  readonly name: string;
  readonly nodeId?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly groups: readonly string[];
  readonly revision: string;
  /** `declared`: known by a KubeArmorVirtualMachine file, not enrolled yet. */
  readonly phase: 'declared' | 'enrolled' | 'cloned' | 'cut-off' | 'revoked';
  readonly connected: boolean;
  readonly enforcer?: string;
  /** Set of a host that `hostward sim` runs: nothing is enforced there. */
  readonly simulated?: true;
  /** Version of its agent, as it reported last. */
  readonly version?: string;
  /** Until an upgrade has come up. */
  readonly rolledBack?: RolledBack;
  readonly policies: number;
  readonly asOf?: string;
  readonly enrolledAt?: string;
  /** The Redis that it is on; absent: the main one. */
  readonly redisShard?: string;
  /** How the machine proved at its enrolment which one it is. */
  readonly attested?: AttestationKind;
  readonly revocation?: RevocationView;
  readonly cutOff?: CutOffView;
  readonly clone?: CloneView;
  /** The host as a KubeArmorVirtualMachine, so that it can be compared with a file. */
  readonly document: unknown;
}

export interface GroupView {
  readonly name: string;
  readonly revision: string;
  readonly selector: unknown;
  readonly members: number;
  readonly document: unknown;
}

export interface JoinTokenView {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly uses: number;
  readonly usesLeft: number;
  readonly expiresAt: string;
  /** Networks from which hosts may join by it; empty: from anywhere. */
  readonly cidrs: readonly string[];
  /** What a host must prove beside; absent: nothing. */
  readonly attest?: AttestationKind;
  /** Groups in which every host is that joins by it; empty: any. */
  readonly groups: readonly string[];
  /** The one name under which a host may join by it. */
  readonly node?: string;
  /** Label selector of whoever made it: no host outside joins by it. */
  readonly scope?: string;
  /** Only in the answer to the POST that made it. */
  readonly token?: string;
}

export interface SuspensionView {
  readonly id: string;
  readonly target: { readonly node?: string; readonly selector?: string; readonly all?: boolean };
  readonly mode: 'audit' | 'off';
  readonly until: string;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
}

export interface ExceptionView {
  readonly id: string;
  /** The policy that is excepted from, and the one of tier `exception` that was made for it. */
  readonly policy: string;
  readonly madePolicy: string;
  readonly selector: string;
  readonly until: string;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
}

/** Who did what; `hash` is over all the rest, `prev` that of the entry before (docs/reference/protocol/audit-log.md). */
export interface AuditLogEntryView {
  readonly v: 1;
  readonly seq: number;
  readonly time: string;
  readonly actor: string;
  readonly source: string;
  readonly action: string;
  readonly object: string;
  readonly revision: string;
  readonly outcome: 'done' | 'refused';
  readonly detail: Readonly<Record<string, unknown>>;
  readonly prev: string;
  /** sha256 over everything else of the entry, hex. */
  readonly hash: string;
}

/** `GET /v1/audit-log/head`. `head` is a DSSE envelope of the online key, absent in an empty audit log. */
export interface AuditLogHeadView {
  readonly head?: unknown;
  /** The online keys, and with them who may sign a head. */
  readonly keys: readonly { readonly keyid: string; readonly key: string }[];
  /** Why the head is not that of etcd: somebody has changed one of them. */
  readonly alarm?: string;
}

/**
 * `GET /v1/nodes/{name}/signed-status`, and an item of `GET /v1/signed-statuses`. `signedStatus` is a DSSE envelope of the host's
 * first key, as it came, absent where none came yet; `key` is base64 of the raw public key, whose hash is the node id.
 */
export interface SignedStatusView {
  readonly node: string;
  readonly nodeId: string;
  readonly key: string;
  readonly signedStatus?: unknown;
  readonly receivedAt?: string;
}

/** `GET /v1/nodes/{name}/explain?policy=`: each label test with its answer. */
export interface ExplanationView {
  readonly selected: boolean;
  readonly tests: readonly SelectorTestView[];
}

export interface SelectorTestView {
  readonly test: string;
  readonly actual: string;
  readonly holds: boolean;
  readonly within?: readonly SelectorTestView[];
}

/** Newest first; `lastEventId` resumes `/alerts/stream` where this answer ends. */
export interface AlertPage {
  readonly items: readonly Alert[];
  readonly next?: string;
  readonly lastEventId: string;
}
