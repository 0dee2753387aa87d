import { canonicalBytes, parseCanonical } from './canonical.js';
import {
  type KeyRing,
  type SignedDocument,
  payloadTypes,
  signDocument,
  verifyDocument,
} from './dsse.js';
import { sha256Hex } from './encoding.js';
import { malformed } from './errors.js';
import { limits } from './limits.js';
import { anything, integer, object, text, version1 } from './shape.js';
import type { Signer } from './signing-key.js';

/**
 * One version of a policy or, in authored mode, of a group; its deletion is a version too, without content. `content`
 * is the HostPolicy or Group document.
 */
export type PolicyDocument = {
  readonly v: 1;
  readonly name: string;
  readonly version: number;
} & (
  | { readonly content: unknown; readonly deleted?: never }
  | { readonly deleted: true; readonly content?: never }
);

const parseShape = object(
  { v: version1, name: text(limits.nameChars, /^[^\0]+$/), version: integer(1) },
  { content: anything, deleted: anything },
);

/** Signs a policy version: in managed mode with the online key, at the moment it is applied. */
export function signPolicy(document: PolicyDocument, signer: Signer): SignedDocument {
  const payload = canonicalBytes(document);
  parsePolicy(payload, 'policy');
  return signDocument(payloadTypes.policy, payload, [signer]);
}

/** Verifies, then parses, and names the bytes that were signed. The content is still unknown: #policy-model validates it. */
export function verifyPolicy(
  signed: unknown,
  keys: KeyRing,
  path = 'policy',
): { readonly policy: PolicyDocument; readonly digest: string } {
  const trust = {
    payloadType: payloadTypes.policy,
    keys,
    threshold: 1,
    maxBytes: limits.policyBytes,
  };
  const payload = verifyDocument(signed, trust, path);
  return { policy: parsePolicy(payload, path), digest: sha256Hex(payload) };
}

/** Strict reading of a policy's or a group's payload; the content stays unknown. */
export function parsePolicy(payload: Uint8Array, path: string): PolicyDocument {
  const { v, name, version, content, deleted } = parseShape(
    parseCanonical(payload, path, limits.policyBytes),
    path,
  );
  if (deleted === true && content === undefined) return { v, name, version, deleted };
  if (deleted === undefined && typeof content === 'object' && content !== null)
    return { v, name, version, content };
  return malformed(path, 'needs either content or deleted: true');
}
