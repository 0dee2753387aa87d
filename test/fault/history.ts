import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { AuditLogEntry } from '#bundle';

/** Of each of these kinds one of its own, so that a kind tells which. */
type Each<Kind extends string, Of> = Kind extends string ? { readonly kind: Kind } & Of : never;

/** What an operation of the workload asks for. `marker` is a path that no other apply names. */
export type Action =
  | {
      readonly kind: 'apply';
      readonly policy: string;
      readonly marker: string;
      readonly labels: Labels;
    }
  | Each<'delete' | 'pause' | 'resume', { readonly policy: string }>
  | { readonly kind: 'label'; readonly node: string; readonly labels: Labels }
  /** `replace`: its machine is given up; the next one that enrols under the name is another. */
  | Each<'enrol' | 'revoke' | 'replace', { readonly node: string }>
  /** Break-glass, which outlasts the run unless it is ended; its reason is no other one's. */
  | {
      readonly kind: 'suspend';
      readonly reason: string;
      readonly target: { readonly node: string } | { readonly labels: Labels };
      readonly mode: SuspendMode;
    }
  | { readonly kind: 'end-suspension'; readonly reason: string };

export type SuspendMode = 'audit' | 'off';

export type Labels = Readonly<Record<string, string>>;

/** Policies by name with the revision of the version, as a host says that it has them in force. */
export type InForce = Readonly<Record<string, number>>;

/** Epoch, generation, issuedAt: compared in this order. */
export type Order = readonly [epoch: number, generation: number, issuedAt: number];

/**
 * One line of a history. One process writes all of them, so the order of the lines is the order of what it saw; `at` is
 * ms of its own clock. How an operation ended: `ok` and `fail` were answered; after `unknown` it may have happened or not.
 */
export type Line = { readonly at: number } & (
  | { readonly type: 'invoke'; readonly op: number; readonly action: Action }
  | { readonly type: 'ok'; readonly op: number; readonly revision?: number }
  | { readonly type: 'fail' | 'unknown'; readonly op: number; readonly why: string }
  | { readonly type: 'fault'; readonly fault: string }
  /** What a host keeps lies on it. Written before it is full, and when it has room again. */
  | { readonly type: 'disk'; readonly node: string; readonly isFull: boolean }
  | { readonly type: 'committed'; readonly revision: number; readonly changes: readonly Change[] }
  | ({ readonly type: 'host' } & Sighting)
  /** From here on another machine, bare as yet, has the name: the one before is gone. */
  | { readonly type: 'renewed'; readonly node: string }
  /** The agent of a host is about to tell its sensor that it has reached the control plane under this rule set. */
  | { readonly type: 'confirming'; readonly node: string; readonly order: Order }
  | ({ readonly type: 'said' } & Said)
  | { readonly type: 'denied'; readonly node: string; readonly resource: string }
  /** Seen in the store of alerts, for the first time. */
  | { readonly type: 'stored'; readonly node: string; readonly resource: string }
  | ({ readonly type: 'offered' } & Offer)
  | { readonly type: 'lost'; readonly redis: string; readonly nodeId?: string }
  /** Nothing is broken any more and nobody is behind; what follows is asked of a product that has nothing else to do. */
  | { readonly type: 'rest' }
  | { readonly type: 'quiet'; readonly final: Final }
);

/** A key of etcd that a revision changed; without a value it was deleted. The key has no prefix: `policy/web`. */
export interface Change {
  readonly key: string;
  readonly value?: unknown;
}

/** What a sensor answered its agent, written down before the agent had it. */
export interface Sighting {
  readonly node: string;
  readonly order?: Order;
  readonly highest?: Order;
  readonly fellBack: boolean;
  /** From here on it is the last known good. */
  readonly confirmed: boolean;
  readonly suspended?: SuspendMode;
  readonly policies: InForce;
  /** Digest of what lay in the kernel at that moment; absent where it could have changed meanwhile. */
  readonly kernel?: string;
}

/** What a Redis has for a host from now on; `lost` says that it has no longer what it had, for one host or for all. */
export interface Offer {
  readonly redis: string;
  readonly nodeId: string;
  readonly order: Order;
}

/** What the control plane said of a policy. */
export interface Said {
  readonly policy: string;
  readonly revision: number;
  /** That each host enforces it which it selects. */
  readonly everywhere?: boolean;
  readonly nodes: readonly SaidOfNode[];
}

export interface SaidOfNode {
  readonly node: string;
  readonly state: string;
  readonly generation?: number;
}

/** Of which hosts, by their ids, one of several Redis has something. */
export interface Held {
  readonly shard: string;
  readonly users: readonly string[];
  readonly assignments: readonly string[];
}

/** What everybody said when the faults were over and everything had had its time. */
export interface Final {
  readonly policies: readonly Said[];
  readonly hosts: readonly Sighting[];
  /** Oldest first. */
  readonly auditLog: readonly AuditLogEntry[];
  readonly alerts: readonly { readonly node: string; readonly resource: string }[];
  /** Absent where hosts are not split over several Redis. */
  readonly held?: readonly Held[];
}

/** A line before it has its time. */
export type Unstamped<T = Line> = T extends unknown ? Omit<T, 'at'> : never;

/** Appends lines to a file and keeps them; what is written stays when the process dies. */
export class History {
  readonly lines: Line[] = [];

  constructor(readonly file: string) {
    mkdirSync(dirname(file), { recursive: true });
  }

  write(line: Unstamped): void {
    const stamped = { at: Date.now(), ...line } as Line;
    this.lines.push(stamped);
    appendFileSync(this.file, `${JSON.stringify(stamped)}\n`);
  }
}
