import type { RedirectReport } from './redirect.js';
import type {
  Coverage,
  Drift,
  Enforcer,
  Losses,
  PolicyOnNode,
  Condition,
  RolledBack,
  Suspension,
  Visibility,
} from './status.js';

/** Order of assignments; compared lexicographically. `generation` and `epoch` are decimal, `issuedAt` ms since 1970. */
export interface AssignmentVersion {
  readonly epoch: string;
  readonly generation: string;
  readonly issuedAt: number;
}

/**
 * The last-value state of a host: written sealed to `hw:n:{id}:state`, at each change and at least as often as it says
 * itself; older than `reportValidMs` it decays to `unknown`.
 */
export interface NodeReport {
  readonly v: 1;
  readonly nodeId: string;
  /** Grows by one a report within one agent start; with `bootedAt` it orders reports of one host. */
  readonly sequence: number;
  /** ISO 8601: start of the agent process. */
  readonly bootedAt: string;
  /** ISO 8601: when the kernel was last read back. */
  readonly asOf: string;
  /** Milliseconds until the next report at the latest; absent: `REPORT_INTERVAL_MS`, and never less. */
  readonly nextWithinMs?: number;
  readonly enforcer: Enforcer;
  /** Why this one and not the other; on AppArmor with what leads round it. */
  readonly enforcerReason?: string;
  readonly applied?: AssignmentVersion & { readonly bundleDigest: string };
  /** The highest that was ever accepted; absent where that is what is applied. Nothing below it will be taken. */
  readonly seen?: AssignmentVersion;
  readonly rejected?: {
    readonly code: string;
    readonly message: string;
    readonly at: string;
  } & Partial<AssignmentVersion>;
  readonly conditions: readonly Condition[];
  readonly suspension?: Suspension;
  readonly coverage?: Coverage;
  readonly drift: readonly Drift[];
  readonly policies: readonly PolicyOnNode[];
  readonly host: HostFacts;
  readonly versions: { readonly agent: string; readonly sensor: string };
  readonly losses: Losses;
  /** Absent where nothing is to be watched. */
  readonly visibility?: Visibility;
  /** Until an upgrade has come up. */
  readonly rolledBack?: RolledBack;
  /** What became of the newest order to go to another control plane; absent where there was none. */
  readonly redirect?: RedirectReport;
  /** `auditLogHeadName` of each head in the signed status that lies beside this report; absent where none does. */
  readonly heads?: readonly string[];
  /** The signed status itself, of an agent that has it ride in its reports. */
  readonly signedStatus?: unknown;
}

export interface HostFacts {
  readonly hostname: string;
  readonly kernel: string;
  readonly lsm: readonly string[];
  readonly parser?: string;
}

/** How often a host reports that nothing has changed, unless its control plane says otherwise. */
export const REPORT_INTERVAL_MS = 10_000;
/** No host may be told to report less often, nor say that it does. */
export const MAX_REPORT_INTERVAL_MS = 60_000;
/** Two reports may be lost, and the third be a little late. */
const REPORTS_LOST = 3;
const LATE_MS = 5_000;

/** How long a report says what is: no longer than its host said that the next ones take. */
export function reportValidMs({ nextWithinMs }: Pick<NodeReport, 'nextWithinMs'>): number {
  return REPORTS_LOST * (nextWithinMs ?? REPORT_INTERVAL_MS) + LATE_MS;
}

/** What a control plane reads while nothing changes, where the fleet is not too large for it. */
const REPORTS_A_SECOND = 50;
/** In whole steps, so that a host that comes or goes mostly changes nothing. */
const STEP_MS = 5_000;

/** How often each of so many hosts is to report while nothing changes, in ms. */
export function reportEveryMs(hosts: number): number {
  const wholeMs = Math.ceil(((hosts / REPORTS_A_SECOND) * 1_000) / STEP_MS) * STEP_MS;
  return Math.min(MAX_REPORT_INTERVAL_MS, Math.max(REPORT_INTERVAL_MS, wholeMs));
}

/**
 * How long a host that is cut off from Redis may wait until it tries again, in ms, by how often it is to report. A handshake
 * takes Redis 0.7 ms, and who waits for one gives up after 3 s: of too many that try at once each gives up, and tries
 * again, for ever (docs/reference/scale.md).
 */
export function returnWithinMs(everyMs: number): number {
  return everyMs / 3;
}
