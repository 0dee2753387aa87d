import { isDeepStrictEqual } from 'node:util';
import { RefusedError, openAssignment, type Assignment } from '#bundle';
import type { DeliveryRecord, Ordering } from '#contracts';
import { isHalfOver, type WantedAssignment, type WrittenAssignment } from './assignment-plan.js';
import type { SealedAssignment } from './assignment-sealer.js';

/**
 * What it means that something at least as new is there. `same`: it says what is wanted, another replica was faster.
 * `forged`: nobody who has the host's key sealed it. `conflict`: of one generation another bundle was made. `ahead`:
 * another replica knows more, or our clock went back, or etcd was restored.
 */
export type Verdict = 'same' | 'forged' | 'conflict' | 'ahead';

/** Judges what is there for a host. Pure; believes only what opens under the host's key. */
export function judge(
  there: DeliveryRecord | undefined,
  { wanted, record }: SealedAssignment,
  nowMs: number,
): Verdict {
  const assignment = there && opened(there, wanted);
  if (!assignment) return 'forged';
  if (isGood(there, assignment, wanted, nowMs)) return 'same';
  const { epoch, generation } = record.ordering;
  const ofOneGeneration = assignment.epoch === epoch && assignment.generation === generation;
  return ofOneGeneration && assignment.bundleDigest !== wanted.bundle.digest ? 'conflict' : 'ahead';
}

/** Whether what is there for a host is what it is to have, and will be for long enough, whoever wrote it. */
export function isThere(
  there: DeliveryRecord | undefined,
  wanted: WantedAssignment,
  nowMs: number,
): there is DeliveryRecord {
  if (!there) return false;
  const assignment = opened(there, wanted);
  return assignment !== undefined && isGood(there, assignment, wanted, nowMs);
}

/** Whether what lies there in the place of what was written cannot be opened under the host's key, or is no record. */
export function isSpoilt(
  there: DeliveryRecord | undefined,
  { ordering, wanted }: WrittenAssignment,
): boolean {
  if (!there) return true;
  // Another replica may have sealed for the next epoch already, under another key.
  return there.ordering.epoch === ordering.epoch && opened(there, wanted) === undefined;
}

function isGood(
  { ordering }: DeliveryRecord,
  assignment: Assignment,
  wanted: WantedAssignment,
  nowMs: number,
): boolean {
  return !isHalfOver({ ordering, wanted }, nowMs) && saysTheSame(assignment, wanted);
}

/** The seal binds node and ordering, so an old leaf under a new ordering does not open. */
function opened(
  { ordering, leaf, bundleDigest }: DeliveryRecord,
  { nodeId, hostKey }: WantedAssignment,
): Assignment | undefined {
  try {
    const assignment = openAssignment(hostKey, nodeId, ordering, Buffer.from(leaf, 'base64'));
    return assignment.bundleDigest === bundleDigest ? assignment : undefined;
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}

function saysTheSame(
  there: Assignment,
  { rootVersion, bundle, suspension, labels, visibility = [] }: WantedAssignment,
): boolean {
  return (
    there.rootVersion === rootVersion &&
    there.bundleDigest === bundle.digest &&
    isDeepStrictEqual(there.labels, labels) &&
    isDeepStrictEqual(there.visibility ?? [], visibility) &&
    there.suspension?.mode === suspension?.mode &&
    there.suspension?.reason === suspension?.reason &&
    there.suspension?.until === (suspension && Date.parse(suspension.until))
  );
}

/** A newer assignment is there than the one we made; the round is tried again with what is known then. */
export class OvertakenError extends Error {
  override readonly name = 'OvertakenError';

  constructor(node: string, ours: Ordering, there: Ordering | undefined) {
    super(
      `host ${node} has generation ${there?.generation ?? 'none'}, ours is ${ours.generation}: another replica is ` +
        'ahead, or etcd was restored without --bump-revision',
    );
  }
}
