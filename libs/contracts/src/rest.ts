/** RFC 9457 problem document; `errors` name field, value and remedy. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
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

/** `POST /v1/apply?dryRun&prune&owner&selector&allHosts&overrideProtection`; body YAML or JSON, several documents. */
export interface ApplyResponse {
  readonly dryRun: boolean;
  /** etcd revision at which all documents became visible; absent when nothing was written. */
  readonly revision?: string;
  readonly documents: readonly ApplyDocument[];
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
  readonly phase: 'declared' | 'enrolled';
  readonly connected: boolean;
  readonly enforcer?: string;
  readonly policies: number;
  readonly asOf?: string;
  readonly enrolledAt?: string;
}

export interface GroupView {
  readonly name: string;
  readonly revision: string;
  readonly selector: unknown;
  readonly members: number;
}

export interface JoinTokenView {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly uses: number;
  readonly usesLeft: number;
  readonly expiresAt: string;
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
