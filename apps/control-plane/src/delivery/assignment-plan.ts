import { isDeepStrictEqual } from 'node:util';
import type { SignedDocument } from '#bundle';
import type { AssignmentVersion } from '#contracts';
import type { VisibilityClass } from '#policy-model';
import type { BuiltBundle } from './bundle-index.js';
import type { SuspensionRecord } from '../records/suspension.record.js';

/** How long a host may enforce an assignment before it calls itself stale. */
export const ASSIGNMENT_VALID_MS = 24 * 3_600_000;

/** What a host is to have now. */
export interface WantedAssignment {
  readonly node: string;
  readonly nodeId: string;
  /** etcd's revision since which this follows from the same documents. */
  readonly since: bigint;
  /** Of the root document that it is to be sealed under. */
  readonly rootVersion: number;
  readonly bundle: BuiltBundle;
  readonly channelKey: Buffer;
  readonly sealedChannelKey: string;
  readonly suspension?: SuspensionRecord;
  /** The host's labels as their author signed them, in authored mode. */
  readonly labels?: SignedDocument;
  /** What its labels say that it watches, in managed mode. */
  readonly visibility?: readonly VisibilityClass[];
}

/** What was last written for a host. */
export interface WrittenAssignment {
  readonly assignmentVersion: AssignmentVersion;
  readonly wanted: WantedAssignment;
  /** Digest of the bundle that is there. Another replica, of another version, may have rendered and written it first. */
  readonly bundleDigest: string;
  /**
   * Since which assignment version the host was to do the same: what it took before that it may have done otherwise in between. Unknown
   * where nothing else was written for it in this process.
   */
  readonly first?: AssignmentVersion;
}

/** Whether a host does the same by both: the same rules, as strictly, and watching the same. */
export function doesTheSame(one: WrittenAssignment, other: WrittenAssignment): boolean {
  return isDeepStrictEqual(doing(one), doing(other));
}

function doing({ bundleDigest, wanted: { suspension, labels, visibility } }: WrittenAssignment) {
  const { mode, until, reason } = suspension ?? {};
  return [bundleDigest, mode, until, reason, labels, visibility];
}

/** True where `wanted` must be written: it says something else than `written`, or half of that one's time is over. */
export function isDue(
  written: WrittenAssignment | undefined,
  wanted: WantedAssignment,
  nowMs: number,
): boolean {
  if (!written) return true;
  if (contentKey(written.wanted) !== contentKey(wanted)) return true;
  return isHalfOver(written, nowMs);
}

/**
 * True where a written assignment is to be renewed. One that is ahead of our clock, however far, is not: whatever is sealed
 * after it is ahead as well.
 */
export function isHalfOver(
  written: Pick<WrittenAssignment, 'assignmentVersion'>,
  nowMs: number,
): boolean {
  return nowMs - written.assignmentVersion.issuedAt >= ASSIGNMENT_VALID_MS / 2;
}

/**
 * No clock of ours can have signed it yet: what is sealed after it would be valid for as long as somebody likes. Of a
 * generation before `revision` anything may be, since order counts by that first; of a later one others judge.
 */
export function isIncredible(seen: AssignmentVersion, revision: bigint, nowMs: number): boolean {
  const aheadMs = seen.issuedAt - nowMs;
  return aheadMs > ASSIGNMENT_VALID_MS / 2 && BigInt(seen.generation) === revision;
}

/** Everything a host can tell apart, besides assignment version and expiry; a sealed channel key tells which one it is. */
function contentKey({
  nodeId,
  rootVersion,
  bundle,
  sealedChannelKey,
  suspension,
  labels,
  visibility,
}: WantedAssignment): string {
  const { mode, until, reason } = suspension ?? {};
  const own = [mode, until, reason, labels, visibility];
  return JSON.stringify([nodeId, rootVersion, bundle.digest, sealedChannelKey, ...own]);
}
