import type { DeliveryRecord, AssignmentVersion } from '#contracts';
import { AssignmentForm, type AssignmentOwn } from './assignment.js';
import { signCommit } from './commit.js';
import type { SignedDocument } from './dsse.js';
import { toBase64 } from './encoding.js';
import { type InclusionProof, MerkleTree } from './merkle.js';
import type { TrustedRoot } from './root.js';
import type { Signer } from './signing-key.js';

/** One host's part of a commit; the rest of its assignment is the same for all. `channelKey` is of this epoch. */
export interface AssignmentInput extends AssignmentOwn {
  readonly channelKey: Uint8Array;
  /** From `sealChannelKey`, once per node and epoch. */
  readonly sealedChannelKey: string;
}

/** Everything a commit is made of. */
export interface CommitInput {
  readonly assignmentVersion: AssignmentVersion;
  readonly root: TrustedRoot;
  /** Earlier root documents for hosts that may have missed them, oldest first; the current one is added. */
  readonly earlierRoots?: readonly SignedDocument[];
  readonly signer: Signer;
  readonly assignments: readonly AssignmentInput[];
}

/** A signed commit and what to write for each node id. */
export interface Commit {
  readonly commit: SignedDocument;
  readonly records: ReadonlyMap<string, DeliveryRecord>;
}

interface Leaf {
  readonly input: AssignmentInput;
  readonly bytes: Buffer;
}

/**
 * One signature for any number of hosts: seals each assignment, builds the tree, signs its root, and gives each host
 * its record. Leaves are in the order of node ids. Throws on a signer, an epoch or a list that no host would take.
 */
export function buildCommit(input: CommitInput): Commit {
  checkInput(input);
  const leaves = sealLeaves(input);
  const tree = new MerkleTree(leaves.map(({ bytes }) => bytes));
  const { assignmentVersion, root, signer } = input;
  const document = {
    v: 1,
    ...pick(assignmentVersion),
    merkleRoot: toBase64(tree.root),
    size: tree.size,
  } as const;
  const commit = signCommit({ ...document, rootVersion: root.document.version }, signer);
  const records = new Map<string, DeliveryRecord>();
  const shared = {
    v: 1,
    assignmentVersion: pick(assignmentVersion),
    root: rootsOf(input),
    commit,
  } as const;
  leaves.forEach((leaf, index) =>
    records.set(leaf.input.nodeId, recordOf(shared, leaf, tree.proofText(index))),
  );
  return { commit, records };
}

type SharedPart = Pick<DeliveryRecord, 'v' | 'assignmentVersion' | 'root' | 'commit'>;

function recordOf(
  shared: SharedPart,
  { input, bytes }: Leaf,
  proof: InclusionProof<string>,
): DeliveryRecord {
  return {
    ...shared,
    bundleDigest: input.bundleDigest,
    sealedChannelKey: input.sealedChannelKey,
    leaf: toBase64(bytes),
    proof,
  };
}

function sealLeaves({ assignments, assignmentVersion, root }: CommitInput): Leaf[] {
  const { version: rootVersion } = root.document;
  const form = new AssignmentForm({ v: 1, ...pick(assignmentVersion), rootVersion });
  const ordered = [...assignments].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
  return ordered.map((input) => ({ input, bytes: form.seal(input.channelKey, input) }));
}

function rootsOf({ root, earlierRoots }: CommitInput): unknown {
  return earlierRoots?.length ? [...earlierRoots, root.signed] : root.signed;
}

function pick({ epoch, generation, issuedAt }: AssignmentVersion): AssignmentVersion {
  return { epoch, generation, issuedAt };
}

function checkInput({ assignmentVersion, root, signer, assignments }: CommitInput): void {
  if (assignments.length === 0) throw new RangeError('a commit needs at least one assignment');
  if (assignmentVersion.epoch !== root.document.epoch) {
    throw new RangeError(
      `epoch ${assignmentVersion.epoch} is not the root document's ${root.document.epoch}`,
    );
  }
  if (!root.document.online.some(({ keyid }) => keyid === signer.keyid)) {
    throw new RangeError(
      `key ${signer.keyid} is not an online key of root version ${root.document.version}`,
    );
  }
  const nodes = new Set(assignments.map(({ nodeId }) => nodeId));
  if (nodes.size !== assignments.length)
    throw new RangeError('a node has two assignments in one commit');
}
