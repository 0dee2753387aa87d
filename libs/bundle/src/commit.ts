import type { AssignmentVersion } from '#contracts';
import { canonicalBytes, parseCanonical } from './canonical.js';
import {
  KeyRing,
  type SignedDocument,
  payloadTypes,
  signDocument,
  verifyDocument,
} from './dsse.js';
import { limits } from './limits.js';
import { decimal } from './assignment-version.js';
import type { RootDocument } from './root.js';
import { type Parser, base64Of, integer, object, version1 } from './shape.js';
import type { Signer } from './signing-key.js';

/** The one signature over all assignments written at a generation. `merkleRoot` is base64 of 32 bytes. */
export interface CommitDocument extends AssignmentVersion {
  readonly v: 1;
  readonly merkleRoot: string;
  readonly size: number;
  readonly rootVersion: number;
}

const parseShape: Parser<CommitDocument> = object({
  v: version1,
  epoch: decimal,
  generation: decimal,
  issuedAt: integer(0),
  merkleRoot: base64Of(32),
  size: integer(1),
  rootVersion: integer(1),
});

/** Signs a commit with the online key. */
export function signCommit(document: CommitDocument, signer: Signer): SignedDocument {
  return signDocument(payloadTypes.commit, canonicalBytes(document), [signer]);
}

/** Verifies by an online key of the root document, then parses. */
export function verifyCommit(signed: unknown, root: RootDocument): CommitDocument {
  const trust = { payloadType: payloadTypes.commit, threshold: 1, maxBytes: limits.commitBytes };
  const payload = verifyDocument(signed, { ...trust, keys: new KeyRing(root.online) }, 'commit');
  return parseShape(parseCanonical(payload, 'commit', limits.commitBytes), 'commit');
}
