import { fromBase64, toBase64 } from './encoding.js';
import { RefusedError, malformed } from './errors.js';
import { limits } from './limits.js';
import { base64Of, list, object, sha256HexText, text } from './shape.js';
import {
  type ClaimedSignature,
  type VerifyingKey,
  isGoodSignature,
  verifyAhead,
} from './signature-memory.js';
import { type PublicKey, type Signer, ed25519KeyObject } from './signing-key.js';

/** A signed document: DSSE 1.0 envelope, Ed25519 over the pre-authentication encoding; `payload` is base64. */
export interface SignedDocument {
  readonly payloadType: string;
  readonly payload: string;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

/** Media types of our documents; the type is signed, so one kind can never be taken for another. */
export const payloadTypes = {
  root: 'application/vnd.hostward.root+json',
  policy: 'application/vnd.hostward.policy+json',
  group: 'application/vnd.hostward.group+json',
  labels: 'application/vnd.hostward.labels+json',
  suspension: 'application/vnd.hostward.suspension+json',
  commit: 'application/vnd.hostward.commit+json',
  signedStatus: 'application/vnd.hostward.signed-status+json',
  redirect: 'application/vnd.hostward.redirect+json',
  fleetProof: 'application/vnd.hostward.fleet-proof+json',
  pace: 'application/vnd.hostward.pace+json',
} as const;

const SIGNATURE_BYTES = 64;
const parseShape = object({
  payloadType: text(128),
  payload: text(Math.ceil(limits.policyBytes / 3) * 4),
  signatures: list(
    object({ keyid: sha256HexText, sig: base64Of(SIGNATURE_BYTES) }),
    limits.signaturesPerDocument,
    1,
  ),
});

/** What verifying needs to know beforehand; `threshold` counts different keys. */
export interface Trust {
  readonly payloadType: string;
  readonly keys: KeyRing;
  readonly threshold: number;
  readonly maxBytes: number;
}

/** Public keys by id, in Node's form; made once for many verifications. */
export class KeyRing {
  private readonly keys: ReadonlyMap<string, VerifyingKey>;

  constructor(keys: readonly PublicKey[]) {
    this.keys = new Map(
      keys.map(({ keyid, key }) => [
        keyid,
        { object: ed25519KeyObject(key), raw: Buffer.from(key, 'base64') },
      ]),
    );
  }

  get(keyid: string): VerifyingKey | undefined {
    return this.keys.get(keyid);
  }
}

/** PAE of DSSE 1.0: what is signed. */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType, 'utf8');
  const head = `DSSEv1 ${type.byteLength} ${payloadType} ${payload.byteLength} `;
  return Buffer.concat([Buffer.from(head, 'utf8'), payload]);
}

/** Signs these bytes, as they are, with every signer. */
export function signDocument(
  payloadType: string,
  payload: Uint8Array,
  signers: readonly Signer[],
): SignedDocument {
  const message = preAuthEncoding(payloadType, payload);
  const signatures = signers.map((signer) => ({
    keyid: signer.keyid,
    sig: toBase64(signer.sign(message)),
  }));
  return { payloadType, payload: toBase64(payload), signatures };
}

/** The document with one more signature, of a key that it did not have. */
export function withSignature(
  { payloadType, payload, signatures }: SignedDocument,
  signature: SignedDocument['signatures'][number],
): SignedDocument {
  const others = signatures.filter(({ keyid }) => keyid !== signature.keyid);
  return { payloadType, payload, signatures: [...others, signature] };
}

/** The payload's bytes, and which of the known keys signed them. */
export interface Verified {
  readonly payload: Buffer;
  readonly signers: readonly string[];
}

/**
 * The payload's bytes if at least `threshold` different known keys signed them. A wrong signature under a known key is
 * refused even where the others would do; signatures of unknown keys do not count.
 */
export function verifyDocument(value: unknown, trust: Trust, path: string): Buffer {
  return verifySignatures(value, trust, path).payload;
}

/** As `verifyDocument`, with the key ids that signed. */
export function verifySignatures(value: unknown, trust: Trust, path: string): Verified {
  const { document, payload } = openUnverified(value, trust.payloadType, trust.maxBytes, path);
  const message = preAuthEncoding(trust.payloadType, payload);
  const signers: string[] = [];
  for (const { keyid, claimed } of claimsOf(document, message, trust.keys)) {
    if (!isGoodSignature(claimed)) {
      throw new RefusedError('bad-signature', `${path}: the signature of key ${keyid} is wrong`);
    }
    signers.push(keyid);
  }
  if (signers.length < trust.threshold) refuseTooFew(signers.length, trust.threshold, path);
  return { payload, signers };
}

/**
 * Verifies the signatures of many documents on all cores, so that verifying each of them then is quick. Changes nothing
 * of what is refused, and why: what cannot be read here is left to that.
 */
export async function verifyDocumentsAhead(
  values: readonly unknown[],
  { payloadType, maxBytes, keys }: Omit<Trust, 'threshold'>,
): Promise<void> {
  await verifyAhead(
    values.flatMap((value) => {
      try {
        const { document, payload } = openUnverified(value, payloadType, maxBytes, 'document');
        const message = preAuthEncoding(payloadType, payload);
        return claimsOf(document, message, keys).map(({ claimed }) => claimed);
      } catch (error) {
        if (error instanceof RefusedError) return [];
        throw error;
      }
    }),
  );
}

/** The signatures of keys that are known; those of others do not count. */
function claimsOf(
  { signatures }: SignedDocument,
  message: Buffer,
  keys: KeyRing,
): readonly { readonly keyid: string; readonly claimed: ClaimedSignature }[] {
  return signatures.flatMap(({ keyid, sig }) => {
    const key = keys.get(keyid);
    return key ? [{ keyid, claimed: { key, message, signature: Buffer.from(sig, 'base64') } }] : [];
  });
}

/**
 * Shape and payload without any trust in them. Only for a root document that is itself the start of trust, whose keys
 * are inside; everything else goes through `verifyDocument`.
 */
export function openUnverified(
  value: unknown,
  payloadType: string,
  maxBytes: number,
  path: string,
): { document: SignedDocument; payload: Buffer } {
  const document = parseSignedDocument(value, path);
  if (document.payloadType !== payloadType) malformed(path, `is not of type ${payloadType}`);
  return { document, payload: fromBase64(document.payload, `${path}.payload`, maxBytes) };
}

/** Strict shape of an envelope: no unknown members, at least one signature, no key twice. */
export function parseSignedDocument(value: unknown, path: string): SignedDocument {
  const document = parseShape(value, path);
  const ids = new Set(document.signatures.map(({ keyid }) => keyid));
  if (ids.size !== document.signatures.length) malformed(path, 'has two signatures of one key');
  return document;
}

function refuseTooFew(known: number, threshold: number, path: string): never {
  if (known === 0)
    throw new RefusedError('unknown-key', `${path}: signed by no key that is trusted here`);
  throw new RefusedError('bad-signature', `${path}: ${known} of ${threshold} signatures needed`);
}
