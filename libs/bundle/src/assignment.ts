import type { AssignmentVersion } from '#contracts';
import { VISIBILITY_CLASSES, type VisibilityClass } from '#policy-model';
import { canonicalBytes, parseCanonical } from './canonical.js';
import { RefusedError } from './errors.js';
import { limits } from './limits.js';
import { decimal } from './assignment-version.js';
import { associatedData, openMessage, sealBound } from './sealed-message.js';
import {
  type Parser,
  anything,
  base64Of,
  integer,
  list,
  object,
  oneOf,
  sha256HexText,
  text,
  version1,
} from './shape.js';

/** Break-glass ordered by the control plane; `until` in ms since 1970. */
export interface SuspensionOrder {
  readonly mode: 'audit' | 'off';
  readonly until: number;
  readonly reason: string;
}

/** Which bundle a host is to enforce. Times in ms since 1970; `dataKey` is base64 of 32 bytes, `bundleDigest` hex. */
export interface Assignment extends AssignmentVersion {
  readonly v: 1;
  readonly nodeId: string;
  readonly expiresAt: number;
  readonly rootVersion: number;
  /** Grows when all hosts are asked to report anew. */
  readonly reportEpoch: number;
  readonly bundleDigest: string;
  readonly dataKey: string;
  readonly suspension?: SuspensionOrder;
  /** In authored mode the signed labels of this host (DSSE), as they came; their author's signature is not checked yet. */
  readonly labels?: unknown;
  /** What the host is to watch, each once; absent: nothing. */
  readonly visibility?: readonly VisibilityClass[];
}

const parseShape: Parser<Assignment> = object(
  {
    v: version1,
    nodeId: sha256HexText,
    epoch: decimal,
    generation: decimal,
    issuedAt: integer(0),
    expiresAt: integer(0),
    rootVersion: integer(1),
    reportEpoch: integer(0),
    bundleDigest: sha256HexText,
    dataKey: base64Of(32),
  },
  {
    suspension: object({
      mode: oneOf('audit', 'off'),
      until: integer(0),
      reason: text(limits.reasonChars),
    }),
    labels: anything,
    visibility: list(oneOf(...VISIBILITY_CLASSES), VISIBILITY_CLASSES.length),
  },
);

/** What the assignments of one commit have in common. */
export type AssignmentCommon = AssignmentVersion & Pick<Assignment, 'v' | 'rootVersion'>;

/** What an assignment says of its host. */
export type AssignmentOwn = Omit<Assignment, keyof AssignmentCommon>;

const NODE_ID = '"nodeId":"';
const NO_NODE = '0'.repeat(64);

/** Canonical bytes of an assignment, its node id to be written over at `at`; those of `of` in all else. */
interface Written {
  readonly of: AssignmentOwn;
  readonly bytes: Buffer;
  readonly at: number;
}

/**
 * Seals the assignments of one commit. In a fleet most differ from the one before in the node id alone: these are
 * checked, and written in canonical form, once, and then only the node id is written over.
 */
export class AssignmentForm {
  #last: Written | undefined;
  readonly #bound: Buffer;
  readonly #boundAt: number;

  constructor(private readonly common: AssignmentCommon) {
    this.#bound = associatedData('assignment', context(NO_NODE, common));
    this.#boundAt = this.#bound.indexOf(NO_NODE);
  }

  /** The leaf: encrypted under the host's key, bound to node and assignment version. Further members of `own` do not count. */
  seal(channelKey: Uint8Array, own: AssignmentOwn): Buffer {
    const bytes = this.bytesOf(own);
    this.#bound.write(own.nodeId, this.#boundAt, 'latin1');
    return sealBound(channelKey, 'assignment', this.#bound, bytes);
  }

  /** Canonical bytes, good until the next call; throws RefusedError on an assignment that no host would take. */
  bytesOf(own: AssignmentOwn): Buffer {
    const last =
      this.#last && differInNodeOnly(this.#last.of, own) ? this.#last : this.#written(own);
    last.bytes.write(sha256HexText(own.nodeId, 'assignment.nodeId'), last.at, 'latin1');
    return last.bytes;
  }

  /** What comes behind the node id holds no object of others, and within a string the quotes are escaped. */
  #written(own: AssignmentOwn): Written {
    const { nodeId, expiresAt, reportEpoch, bundleDigest, dataKey } = own;
    const { suspension, labels, visibility = [] } = own;
    const assignment: Assignment = {
      ...this.common,
      ...{ nodeId, expiresAt, reportEpoch, bundleDigest, dataKey },
      ...(suspension && { suspension }),
      ...(labels !== undefined && { labels }),
      ...(visibility.length > 0 && { visibility }),
    };
    parseShape(assignment, 'assignment');
    const bytes = canonicalBytes(assignment);
    this.#last = { of: own, bytes, at: bytes.lastIndexOf(NODE_ID) + NODE_ID.length };
    return this.#last;
  }
}

function differInNodeOnly(one: AssignmentOwn, other: AssignmentOwn): boolean {
  return (
    one.bundleDigest === other.bundleDigest &&
    one.dataKey === other.dataKey &&
    one.expiresAt === other.expiresAt &&
    one.reportEpoch === other.reportEpoch &&
    one.suspension === other.suspension &&
    one.labels === other.labels &&
    one.visibility?.join() === other.visibility?.join()
  );
}

/** Opens a leaf of this node and assignment version; any other is `not-for-this-node`. */
export function openAssignment(
  channelKey: Uint8Array,
  nodeId: string,
  assignmentVersion: AssignmentVersion,
  leaf: Uint8Array,
): Assignment {
  const plaintext = openLeaf(channelKey, nodeId, assignmentVersion, leaf);
  return parseShape(parseCanonical(plaintext, 'assignment', limits.assignmentBytes), 'assignment');
}

function openLeaf(
  channelKey: Uint8Array,
  nodeId: string,
  assignmentVersion: AssignmentVersion,
  leaf: Uint8Array,
): Buffer {
  try {
    return openMessage(
      channelKey,
      'assignment',
      context(nodeId, assignmentVersion),
      leaf,
      limits.assignmentBytes,
    );
  } catch (cause) {
    if (!(cause instanceof RefusedError) || !['bad-seal', 'unknown-key'].includes(cause.code))
      throw cause;
    const message =
      'assignment: does not open under the key of this node at this assignment version';
    throw new RefusedError('not-for-this-node', message, { cause });
  }
}

function context(
  nodeId: string,
  { epoch, generation, issuedAt }: AssignmentVersion,
): readonly string[] {
  return [nodeId, epoch, generation, String(issuedAt)];
}
