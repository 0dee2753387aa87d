import { isDeepStrictEqual } from 'node:util';
import {
  type Assignment,
  RefusedError,
  type TrustedRoot,
  openAssignment,
  verifyAssignment,
  verifyRoot,
} from '#bundle';
import type { DeliveryRecord, Ordering } from '#contracts';
import type { BundleContents } from './bundle-contents.js';
import type { ReadablePart } from './readable-part.js';
import { isHalfOver, type WantedAssignment, type WrittenAssignment } from './assignment-plan.js';

/** What is there for a host that is to have `wanted`. */
export interface Found {
  readonly wanted: WantedAssignment;
  readonly there: DeliveryRecord | undefined;
  /** In place of `wanted.since`, where that is only when we read it. */
  readonly since?: bigint;
  /** Set where this is the first look at the host: what of its assignment is known here, whoever knows more. */
  readonly readable?: ReadablePart;
}

/** What it is judged by. */
export interface ConflictContext {
  readonly root: TrustedRoot;
  /** etcd's, as the watch has it. */
  readonly revision: bigint;
  readonly nowMs: number;
  readonly contents: BundleContents;
  /** Another replica is there that can read what cannot be read here: its word on which documents count. */
  readonly givesWay?: boolean;
}

/**
 * What is there. `same`: what is wanted, another replica was faster. `kept`: another replica, of another version, has
 * rendered the same documents otherwise, and what was first stays; or it knows more of them. `forged`: nothing, or nobody who has the host's key sealed
 * it. `other`: older, or another replica knows more, maybe of a new epoch, or our clock went back, or etcd was restored.
 */
export type Verdict = 'same' | 'kept' | 'forged' | 'other';

/**
 * Judges what is there for a host; believes only what opens under the host's key, and keeps only what the host would take.
 * What is of a later root document is not believed, and left.
 */
export async function judge(
  { wanted, there, since = wanted.since, readable }: Found,
  around: ConflictContext,
): Promise<Verdict> {
  const assignment = there && opened(there, wanted);
  if (!assignment) return there && isOfLaterRoot(there, wanted, around.root) ? 'other' : 'forged';
  const { ordering } = there;
  if (isHalfOver({ ordering, wanted }, around.nowMs)) return 'other';
  if (assignment.rootVersion !== wanted.rootVersion) return 'other';
  const isSameOrder = ordersTheSame(assignment, wanted);
  if (!isSameOrder && (!around.givesWay || readable?.ofSuspensions)) return 'other';
  if (isSameOrder && showsTheSame(assignment, wanted)) return 'same';
  const generation = BigInt(assignment.generation);
  if (generation < since || generation > around.revision) return 'other';
  const isTaken = await isVerified(there, wanted, around);
  if (!isTaken) return 'other';
  if (around.givesWay)
    return (await isOfTheReadable(assignment, wanted, around, readable)) ? 'kept' : 'other';
  const isOfTheSame = await isOfTheSameDocuments(assignment, wanted, around.contents);
  return isOfTheSame ? 'kept' : 'other';
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
  return later?.epoch === there.ordering.epoch && later.version > rootVersion;
}

/** The seal binds node and ordering, so an old leaf under a new ordering does not open. */
function opened(
  { ordering, leaf, bundleDigest }: DeliveryRecord,
  { nodeId, hostKey }: WantedAssignment,
): Assignment | undefined {
  const assignment = unlessRefused(() =>
    openAssignment(hostKey, nodeId, ordering, Buffer.from(leaf, 'base64')),
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
  { nodeId, hostKey, sealedHostKey }: WantedAssignment,
  { root, nowMs: now }: ConflictContext,
): Promise<boolean> {
  if (there.sealedHostKey !== sealedHostKey) return false;
  const inquiry = { record: there, trustedRoot: root, nodeId, sealingPrivateKey: '', now };
  try {
    await verifyAssignment({ ...inquiry, openHostKey: () => Promise.resolve(hostKey) });
    return true;
  } catch (error) {
    if (error instanceof RefusedError) return false;
    throw error;
  }
}

/** A replica that cannot read a document of a newer version leaves it out, which is no rendering. */
async function isOfTheSameDocuments(
  { bundleDigest: digest, dataKey }: Assignment,
  { bundle }: WantedAssignment,
  contents: BundleContents,
): Promise<boolean> {
  const there = await contents.there({ digest, dataKey });
  return there !== undefined && there.digest === (await contents.ours(bundle))?.digest;
}

/** Whether it has each document that can be read here as it is here: at the first look nothing else dates what is there. */
async function isOfTheReadable(
  { bundleDigest: digest, dataKey }: Assignment,
  { bundle }: WantedAssignment,
  { contents }: ConflictContext,
  readable: ReadablePart | undefined,
): Promise<boolean> {
  if (!readable?.ofDocuments) return true;
  const there = await contents.there({ digest, dataKey });
  const ours = await contents.ours(bundle);
  if (!there || !ours) return false;
  const names = new Set([...there.documents.keys(), ...ours.documents.keys()]);
  return [...names.difference(readable.unread)].every(
    (name) => there.documents.get(name) === ours.documents.get(name),
  );
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
    ours: Ordering,
    there: Ordering | undefined,
  ) {
    super(
      `host ${node} has generation ${there?.generation ?? 'none'}, ours is ${ours.generation}: another replica is ` +
        'ahead, or etcd was restored without --bump-revision',
    );
  }
}
