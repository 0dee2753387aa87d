import { isDeepStrictEqual } from 'node:util';
import {
  type Assignment,
  RefusedError,
  type SealedBundle,
  type TrustedRoot,
  openAssignment,
  verifyAssignment,
  verifyRoot,
} from '#bundle';
import type { DeliveryRecord, AssignmentVersion } from '#contracts';
import { isHalfOver, type WantedAssignment, type WrittenAssignment } from './assignment-plan.js';

/** Name and key of a bundle. */
export type BundleKey = Pick<SealedBundle, 'digest' | 'dataKey'>;

/** The record that is there for a host that is to have `wanted`. */
export interface Found {
  readonly wanted: WantedAssignment;
  readonly there: DeliveryRecord | undefined;
}

/** What a record is judged by. */
export interface ConflictContext {
  readonly root: TrustedRoot;
  /** Revision of etcd that the watch has read. */
  readonly revision: bigint;
  readonly nowMs: number;
  /** Whether the bundle is there and opens. */
  readonly hasBundle: (bundle: BundleKey) => Promise<boolean>;
}

/**
 * - `valid`: a replica sealed it after it had read all that `wanted` follows from. It stays, also where another version of
 *   the control plane renders the same documents otherwise.
 * - `forged`: there is none, or it does not open under the host's key.
 * - `other`: it is older, or from a state that this replica does not know.
 */
export type Verdict = 'valid' | 'forged' | 'other';

/**
 * Judges the record of a host. It believes only a record that opens under the host's key, and keeps only one that the host
 * would take. A record of a later root document is left alone.
 */
export async function judge({ wanted, there }: Found, context: ConflictContext): Promise<Verdict> {
  const assignment = there && opened(there, wanted);
  if (!assignment) return there && isOfLaterRoot(there, wanted, context.root) ? 'other' : 'forged';
  const { assignmentVersion } = there;
  if (isHalfOver({ assignmentVersion }, context.nowMs)) return 'other';
  if (assignment.rootVersion !== wanted.rootVersion) return 'other';
  if (!ordersTheSame(assignment, wanted)) return 'other';
  if (showsTheSame(assignment, wanted)) return 'valid';
  const generation = BigInt(assignment.generation);
  if (generation < wanted.since || generation > context.revision) return 'other';
  if (!(await isVerified(there, wanted, context))) return 'other';
  const { bundleDigest: digest, dataKey } = assignment;
  return (await context.hasBundle({ digest, dataKey })) ? 'valid' : 'other';
}

/** Whether what lies there in the place of what was written cannot be opened under the host's key, or is no record. */
export function isSpoilt(
  there: DeliveryRecord | undefined,
  { wanted }: WrittenAssignment,
  root: TrustedRoot,
): boolean {
  if (!there) return true;
  return opened(there, wanted) === undefined && !isOfLaterRoot(there, wanted, root);
}

/**
 * Whether it brings root documents that follow the one in force, up to one of its epoch that comes after `wanted`'s: another
 * replica has read of that already, and of a new epoch the host has another key.
 */
function isOfLaterRoot(
  there: DeliveryRecord,
  { rootVersion }: WantedAssignment,
  root: TrustedRoot,
): boolean {
  const later = unlessRefused(() => verifyRoot(there, root).document);
  return later?.epoch === there.assignmentVersion.epoch && later.version > rootVersion;
}

/** The seal binds node and assignment version, so an old leaf under a new assignment version does not open. */
function opened(
  { assignmentVersion, leaf, bundleDigest }: DeliveryRecord,
  { nodeId, channelKey }: WantedAssignment,
): Assignment | undefined {
  const assignment = unlessRefused(() =>
    openAssignment(channelKey, nodeId, assignmentVersion, Buffer.from(leaf, 'base64')),
  );
  return assignment?.bundleDigest === bundleDigest ? assignment : undefined;
}

/** No version may render these otherwise. */
function ordersTheSame(there: Assignment, { suspension, labels }: WantedAssignment): boolean {
  return (
    isDeepStrictEqual(there.labels, labels) &&
    there.suspension?.mode === suspension?.mode &&
    there.suspension?.reason === suspension?.reason &&
    there.suspension?.until === (suspension && Date.parse(suspension.until))
  );
}

function showsTheSame(there: Assignment, { bundle, visibility = [] }: WantedAssignment): boolean {
  return (
    there.bundleDigest === bundle.digest && isDeepStrictEqual(there.visibility ?? [], visibility)
  );
}

/** All that its host asks of a record, by the keys in force: a host itself has the key that opens the leaf. */
async function isVerified(
  there: DeliveryRecord,
  { nodeId, channelKey, sealedChannelKey }: WantedAssignment,
  { root, nowMs: now }: ConflictContext,
): Promise<boolean> {
  if (there.sealedChannelKey !== sealedChannelKey) return false;
  const inquiry = { record: there, trustedRoot: root, nodeId, sealingPrivateKey: '', now };
  try {
    await verifyAssignment({ ...inquiry, openChannelKey: () => Promise.resolve(channelKey) });
    return true;
  } catch (error) {
    if (error instanceof RefusedError) return false;
    throw error;
  }
}

function unlessRefused<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}

/** Newer assignments are there than those we made for `nodes`; these are tried again with what is known then. */
export class DeliveryConflictError extends Error {
  override readonly name = 'DeliveryConflictError';

  constructor(
    /** `node` and all others that it is so for. */
    readonly nodes: readonly string[],
    node: string,
    ours: AssignmentVersion,
    there: AssignmentVersion | undefined,
  ) {
    super(
      `host ${node} has generation ${there?.generation ?? 'none'}, ours is ${ours.generation}: another replica is ` +
        'ahead, or etcd was restored without --bump-revision',
    );
  }
}
