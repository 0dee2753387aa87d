import type { DeliveryRecord, AssignmentVersion } from '#contracts';
import { visibilityOf } from '#policy-model';
import { type Assignment, openAssignment } from './assignment.js';
import { verifyAuthoredAhead } from './authored.js';
import { selectAuthored } from './authored-set.js';
import { type BundledDocument, type OpenedBundle, openBundle } from './bundle.js';
import { type CommitDocument, verifyCommit } from './commit.js';
import { KeyRing, payloadTypes, verifyDocumentsAhead } from './dsse.js';
import { fromBase64 } from './encoding.js';
import { RefusedError, malformed } from './errors.js';
import { type MinimumVersions, NO_MINIMUM_VERSIONS } from './minimum-versions.js';
import { type ChannelKeyOpener, openChannelKey } from './channel-key.js';
import { limits } from './limits.js';
import { verifyInclusion } from './merkle.js';
import { compareAssignmentVersion } from './assignment-version.js';
import { verifyPolicy } from './policy.js';
import { parseDeliveryRecord } from './record.js';
import { type TrustedRoot, followRoots } from './root.js';

/** A record as it came, and who reads it. */
export interface AssignmentInquiry {
  /** Out of Redis or an envelope; not believed. */
  readonly record: unknown;
  /** From a file of root's on the host, by `trustRoot`. */
  readonly trustedRoot: TrustedRoot;
  readonly nodeId: string;
  /** Base64 of PKCS#8 DER. */
  readonly sealingPrivateKey: string;
  /** The highest assignment version ever seen here; absent before the first. With `bundleDigest` an equal assignment version is compared. */
  readonly highest?: AssignmentVersion & { readonly bundleDigest?: string };
  /** ms since 1970: the latest of clock, last signed time and build date. */
  readonly now: number;
  /** This host took it before and has kept it where only root writes: order, minimum versions and expiry were looked at then. */
  readonly again?: boolean;
  /** `rememberingOpener` for a process that verifies again and again; `openChannelKey` by default. */
  readonly openChannelKey?: ChannelKeyOpener;
}

/** As above, with the bundle's ciphertext. */
export interface DeliveryInquiry extends AssignmentInquiry {
  readonly bundle: Uint8Array;
  /** What this host remembers of earlier documents; counts in authored mode. */
  readonly minimumVersions?: MinimumVersions;
}

/** An assignment that is ours, in order and not expired. `channelKey` is believed because it opened a signed leaf. */
export interface VerifiedAssignment {
  readonly assignment: Assignment;
  readonly channelKey: Buffer;
  /** Maybe newer than the trusted one given: to be kept by the caller before anything is enforced. */
  readonly root: TrustedRoot;
  readonly rootVersion: number;
  /** True if it was taken already: harmless to apply once more. */
  readonly repeated: boolean;
}

/** A policy whose signature was checked; `document` is the HostPolicy as signed, for #policy-model to validate. */
export interface VerifiedPolicy {
  readonly name: string;
  readonly version: number;
  readonly revision: string;
  /** SHA-256 (hex) of the bytes that were signed. */
  readonly digest: string;
  readonly document: unknown;
  /** Key ids of who signed it as its author, in authored mode. */
  readonly authors?: readonly string[];
}

/** What a host may enforce: policies in the order of their names. */
export interface VerifiedDelivery extends VerifiedAssignment {
  readonly policies: readonly VerifiedPolicy[];
  /** In authored mode: to be kept, with the root, before anything is enforced. */
  readonly minimumVersions?: MinimumVersions;
}

/**
 * Everything about a record but the bundle, in this order: shape and sizes; root chain; commit's signature; proof;
 * recipient; agreement of root version, assignment version and digest; order; expiry. Each failure is a RefusedError.
 */
export async function verifyAssignment(inquiry: AssignmentInquiry): Promise<VerifiedAssignment> {
  const record = parseDeliveryRecord(inquiry.record);
  const root = verifyRoot(record, inquiry.trustedRoot);
  const commit = verifyCommit(record.commit, root.document);
  const leaf = verifyLeaf(record, commit);
  const { nodeId, sealingPrivateKey: privateKey } = inquiry;
  const open = inquiry.openChannelKey ?? openChannelKey;
  const channelKey = await open(record.sealedChannelKey, {
    privateKey,
    nodeId,
    epoch: commit.epoch,
  });
  const assignment = openAssignment(channelKey, nodeId, commit, leaf);
  checkAgreement(record, commit, assignment, root);
  const repeated = inquiry.again === true || checkOrder(assignment, inquiry.highest);
  // What was taken once is enforced beyond its end (D12), and compiled anew when the host changes.
  if (!repeated) checkExpiry(assignment, root, inquiry.now);
  return { assignment, channelKey, root, rootVersion: root.document.version, repeated };
}

/**
 * All of `verifyAssignment`, then the bundle: size, digest, decryption, shape, and each document's signature; in
 * authored mode also scopes, thresholds and minimum versions, and the selection, which is then the host's own.
 */
export async function verifyDelivery(inquiry: DeliveryInquiry): Promise<VerifiedDelivery> {
  const verified = await verifyAssignment(inquiry);
  const { bundleDigest: digest, dataKey } = verified.assignment;
  const bundle = openBundle(inquiry.bundle, { digest, dataKey });
  if (verified.root.document.mode === 'authored')
    return await verifyAuthoredBundle(inquiry, verified, bundle);
  if (bundle.groups || bundle.suspensions)
    malformed('bundle', 'has groups or suspensions, which belong to authored mode');
  const keys = new KeyRing(verified.root.document.online);
  const { policy: payloadType } = payloadTypes;
  const trust = { payloadType, maxBytes: limits.policyBytes, keys };
  await verifyDocumentsAhead(envelopesOf(bundle.policies), trust);
  const policies = bundle.policies.map(({ envelope, revision }, index) =>
    verifyBundledPolicy(envelope, revision, keys, `bundle.policies[${index}]`),
  );
  checkNameOrder(policies);
  return { ...verified, policies };
}

/** An online key must not be able to weaken anything, so only an author can suspend. */
async function verifyAuthoredBundle(
  { minimumVersions: kept = NO_MINIMUM_VERSIONS, nodeId, now, again, highest }: DeliveryInquiry,
  verified: VerifiedAssignment,
  bundle: OpenedBundle,
): Promise<VerifiedDelivery> {
  const { root, assignment } = verified;
  if (assignment.suspension) {
    throw new RefusedError(
      'unsigned-suspension',
      'assignment: suspends enforcement by the online key alone, which authored mode does not allow',
    );
  }
  if (assignment.visibility) {
    throw new RefusedError(
      'unsigned-visibility',
      'assignment: has the host watched by the online key alone, which authored mode does not allow',
    );
  }
  const { labels } = assignment;
  await verifyAuthoredAhead(envelopesOf(bundle.policies), 'policy', root.document);
  await verifyAuthoredAhead(envelopesOf(bundle.groups), 'group', root.document);
  await verifyAuthoredAhead(envelopesOf(bundle.suspensions), 'suspension', root.document);
  const isOlder = highest !== undefined && compareAssignmentVersion(assignment, highest) < 0;
  // Those of what came since; of the newest taken they are its own.
  const minimumVersions = again && isOlder ? NO_MINIMUM_VERSIONS : kept;
  const inquiry = { root: root.document, nodeId, bundle, labels, minimumVersions, now };
  const { policies, suspension, minimumVersions: seen } = selectAuthored(inquiry);
  const order = suspension === undefined ? {} : { suspension };
  const visibility = visibilityOf(seen.labels?.labels ?? {});
  const chosen = { ...assignment, ...order, visibility };
  return { ...verified, assignment: chosen, policies, minimumVersions: seen };
}

function envelopesOf(documents: readonly BundledDocument[] = []): readonly unknown[] {
  return documents.map(({ envelope }) => envelope);
}

/** Adds to what is told of each policy which document it was: version and digest of what its author signed. */
export function withDocuments<T extends { readonly policy: string }>(
  told: readonly T[],
  verified: readonly Pick<VerifiedPolicy, 'name' | 'version' | 'digest'>[],
): readonly (T & { readonly document?: { readonly version: number; readonly digest: string } })[] {
  const documents = new Map(
    verified.map(({ name, version, digest }) => [name, { version, digest }]),
  );
  return told.map((each) => ({ ...each, document: documents.get(each.policy) }));
}

/** The root document that a record brings, which must follow the trusted one; nothing else of the record is believed. */
export function verifyRoot(record: DeliveryRecord, trusted: TrustedRoot): TrustedRoot {
  const chain: readonly unknown[] = Array.isArray(record.root) ? record.root : [record.root];
  if (chain.length > limits.rootsPerRecord) {
    throw new RefusedError('too-large', `root: more than ${limits.rootsPerRecord} documents`);
  }
  return followRoots(trusted, chain);
}

function verifyLeaf(record: DeliveryRecord, commit: CommitDocument): Buffer {
  const leaf = fromBase64(record.leaf, 'leaf', limits.recordBytes);
  const path = record.proof.path.map((hash) => fromBase64(hash, 'proof', 32));
  const merkleRoot = fromBase64(commit.merkleRoot, 'commit', 32);
  const { index, size } = record.proof;
  if (size !== commit.size || !verifyInclusion(leaf, { index, size, path }, merkleRoot)) {
    throw new RefusedError('bad-proof', 'proof: does not lead from this leaf to the signed commit');
  }
  return leaf;
}

/** What is said twice must be said alike; all but the record's own copies were signed. */
function checkAgreement(
  record: DeliveryRecord,
  commit: CommitDocument,
  assignment: Assignment,
  root: TrustedRoot,
): void {
  const { version, epoch } = root.document;
  if (
    commit.rootVersion !== version ||
    assignment.rootVersion !== version ||
    commit.epoch !== epoch
  ) {
    throw new RefusedError('root-mismatch', 'commit: was made under another root document');
  }
  if (
    compareAssignmentVersion(commit, assignment) !== 0 ||
    compareAssignmentVersion(commit, record.assignmentVersion) !== 0
  ) {
    malformed('record.assignmentVersion', 'is not the one that was signed');
  }
  if (record.bundleDigest !== assignment.bundleDigest) {
    throw new RefusedError(
      'bundle-digest-mismatch',
      'record: names another bundle than the assignment',
    );
  }
}

/** The same assignment version again is let through: after a failed compile the host must be able to try once more. */
function checkOrder(assignment: Assignment, highest: AssignmentInquiry['highest']): boolean {
  if (!highest) return false;
  const order = compareAssignmentVersion(assignment, highest);
  if (order < 0) {
    throw new RefusedError('stale-order', 'assignment: older than one that this host has seen');
  }
  if (order === 0 && highest.bundleDigest && highest.bundleDigest !== assignment.bundleDigest) {
    throw new RefusedError(
      'equivocation',
      'assignment: another bundle under an assignment version seen before',
    );
  }
  return order === 0;
}

/** A clock that is behind the signed time is wrong, so the signed time counts. */
function checkExpiry(assignment: Assignment, root: TrustedRoot, now: number): void {
  const time = Math.max(now, assignment.issuedAt);
  if (time >= root.document.expiresAt) {
    throw new RefusedError('root-expired', 'root: has expired; a new version must be signed');
  }
  if (time >= assignment.expiresAt) {
    throw new RefusedError('expired', 'assignment: had expired when it was delivered');
  }
}

function verifyBundledPolicy(
  envelope: unknown,
  revision: string,
  keys: KeyRing,
  path: string,
): VerifiedPolicy {
  const { policy, digest } = verifyPolicy(envelope, keys, path);
  if (policy.deleted) malformed(path, 'is a deletion');
  const { name, version, content } = policy;
  return { name, version, revision, digest, document: content };
}

function checkNameOrder(policies: readonly VerifiedPolicy[]): void {
  policies.forEach(({ name }, index) => {
    const before = policies[index - 1];
    if (before && before.name >= name)
      malformed('bundle', 'is not in the order of names, or names one twice');
  });
}
