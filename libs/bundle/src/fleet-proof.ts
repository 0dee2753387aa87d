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
import { integer, object, sha256HexText, version1 } from './shape.js';
import type { Signer } from './signing-key.js';

/**
 * The answer of a control plane to a host that may go there: it signs what the host has just made up (`challenge`), so
 * it has an online key of the fleet now. `authority` is the fingerprint of the CA that signs there, which a control
 * plane elsewhere, that somebody passes the question on to, does not have. Epoch and generation (decimal) say how far
 * it is.
 */
export interface FleetProof {
  readonly v: 1;
  readonly nodeId: string;
  /** 32 random bytes, hex. */
  readonly challenge: string;
  readonly authority: string;
  readonly epoch: string;
  readonly generation: string;
  /** ms since 1970. */
  readonly at: number;
}

const parseShape = object({
  v: version1,
  nodeId: sha256HexText,
  challenge: sha256HexText,
  authority: sha256HexText,
  epoch: decimal,
  generation: decimal,
  at: integer(0),
});

/** Signs it by an online key. */
export function signFleetProof(proof: FleetProof, signer: Signer): SignedDocument {
  return signDocument(payloadTypes.fleetProof, canonicalBytes(proof), [signer]);
}

/** Verifies by the online keys of a root document, then parses; throws RefusedError. */
export function verifyFleetProof(signed: unknown, { online }: RootDocument): FleetProof {
  const trust = {
    payloadType: payloadTypes.fleetProof,
    keys: new KeyRing(online),
    threshold: 1,
    maxBytes: limits.fleetProofBytes,
  };
  const payload = verifyDocument(signed, trust, 'fleet-proof');
  return parseShape(parseCanonical(payload, 'fleet-proof', limits.fleetProofBytes), 'fleet-proof');
}
