import { canonicalBytes, parseCanonical } from './canonical.js';
import { KeyRing, type SignedDocument, signDocument, verifyDocument } from './dsse.js';
import { integer, object, version1 } from './shape.js';
import type { PublicKey, Signer } from './signing-key.js';

/**
 * The online key's word that a control plane was restored from a backup, which whoever restores it gives: what the
 * audit log said in between is lost. Times in ms since 1970.
 */
export interface Restoration {
  readonly v: 1;
  readonly backupAt: number;
  readonly restoredAt: number;
  /** etcd's revision in the backup, and the one from which it goes on. */
  readonly revision: number;
  readonly goesOnAt: number;
}

const TYPE = 'application/vnd.hostward.restoration+json';
const MAX_BYTES = 1_024;
const parse = object({
  v: version1,
  backupAt: integer(0),
  restoredAt: integer(0),
  revision: integer(0),
  goesOnAt: integer(0),
});

/** Signs it. */
export function signRestoration(restoration: Restoration, signer: Signer): SignedDocument {
  return signDocument(TYPE, canonicalBytes(restoration), [signer]);
}

/** Verifies, then parses; throws RefusedError. */
export function verifyRestoration(signed: unknown, keys: readonly PublicKey[]): Restoration {
  const ring = new KeyRing(keys);
  const trust = { payloadType: TYPE, keys: ring, threshold: 1, maxBytes: MAX_BYTES };
  const payload = verifyDocument(signed, trust, 'restoration');
  return parse(parseCanonical(payload, 'restoration', MAX_BYTES), 'restoration');
}
