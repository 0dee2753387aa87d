import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { canonicalBytes, parseCanonical } from './canonical.js';
import { type SignedDocument, parseSignedDocument } from './dsse.js';
import { fromBase64, sha256, sha256Hex, toBase64 } from './encoding.js';
import { RefusedError, malformed } from './errors.js';
import { limits } from './limits.js';
import { decimal } from './assignment-version.js';
import { pad, unpad } from './padding.js';
import { type Parser, anything, base64Of, list, object, version1 } from './shape.js';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const AAD = Buffer.from('hostward/v1/bundle', 'utf8');
const EPOCH_SECRET_BYTES = 32;

/** A policy of a rule set as it was signed, and the etcd revision of that version, decimal. */
export interface BundlePolicy {
  readonly envelope: SignedDocument;
  readonly revision: string;
}

/** A rule set, encrypted; `digest` (hex SHA-256 of `ciphertext`) is its name, `dataKey` (base64) opens it. */
export interface SealedBundle {
  readonly digest: string;
  readonly ciphertext: Buffer;
  readonly dataKey: string;
}

/**
 * Encrypts a rule set. The same rule set under the same epoch secret (32 bytes) always gives the same bytes, so
 * replicas agree; key and nonce come from the secret and the content's digest, so they never serve two contents, and
 * who lacks the secret cannot confirm a guess. `policies` maps a policy's name to its version; any order. In authored
 * mode these are the newest versions of all policies and, in `more`, of all groups and suspensions, deletions included:
 * the host itself finds what is for it.
 */
export function sealBundle(
  policies: ReadonlyMap<string, BundlePolicy>,
  epochSecret: Uint8Array,
  more: AuthoredParts = {},
): SealedBundle {
  if (epochSecret.byteLength !== EPOCH_SECRET_BYTES)
    malformed('epoch secret', `must be ${EPOCH_SECRET_BYTES} bytes`);
  const content = canonicalBytes({
    v: 1,
    policies: inNameOrder(policies, 'policy', limits.policiesPerBundle),
    groups: more.groups && inNameOrder(more.groups, 'group', limits.groupsPerBundle),
    suspensions:
      more.suspensions && inNameOrder(more.suspensions, 'suspension', limits.suspensionsPerBundle),
  });
  const { key, nonce } = derive(epochSecret, content);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(AAD);
  const ciphertext = Buffer.concat([
    cipher.update(pad(content)),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  checkSize(ciphertext);
  return { digest: sha256Hex(ciphertext), ciphertext, dataKey: toBase64(key) };
}

/** What a bundle of authored mode holds beside policies; by name. */
export interface AuthoredParts {
  readonly groups?: ReadonlyMap<string, BundlePolicy>;
  readonly suspensions?: ReadonlyMap<string, BundlePolicy>;
}

/** A document out of a bundle; `envelope` stays unknown until its signatures are checked. */
export interface BundledDocument {
  readonly envelope: unknown;
  readonly revision: string;
}

/** What a bundle holds; `groups` and `suspensions` in authored mode only. */
export interface OpenedBundle {
  readonly policies: readonly BundledDocument[];
  readonly groups?: readonly BundledDocument[];
  readonly suspensions?: readonly BundledDocument[];
}

/**
 * Checks size and digest, decrypts, removes the padding, parses strictly. The policies' own signatures are not
 * checked here. `envelope` stays unknown until they are.
 */
export function openBundle(
  ciphertext: Uint8Array,
  expected: { readonly digest: string; readonly dataKey: string },
): OpenedBundle {
  checkSize(ciphertext);
  if (sha256Hex(ciphertext) !== expected.digest) {
    throw new RefusedError(
      'bundle-digest-mismatch',
      'bundle: is not the one that the assignment names',
    );
  }
  const content = unpad(decrypt(ciphertext, expected.dataKey), 'bundle');
  const { policies, groups, suspensions } = parseShape(
    parseCanonical(content, 'bundle', limits.bundleBytes),
    'bundle',
  );
  return { policies, groups, suspensions };
}

const parseDocument: Parser<BundledDocument> = object({ envelope: anything, revision: decimal });
const parseShape = object(
  { v: version1, policies: list(parseDocument, limits.policiesPerBundle) },
  {
    groups: list(parseDocument, limits.groupsPerBundle),
    suspensions: list(parseDocument, limits.suspensionsPerBundle),
  },
);

/** By UTF-16 code unit of the name, as JavaScript sorts strings. */
function inNameOrder(
  documents: ReadonlyMap<string, BundlePolicy>,
  kind: string,
  max: number,
): readonly BundlePolicy[] {
  const names = [...documents.keys()].sort();
  if (names.length > max)
    throw new RefusedError('too-large', `bundle: more than ${max} documents of kind ${kind}`);
  return names.flatMap((name) => {
    const document = documents.get(name);
    if (!document) return [];
    const path = `${kind} ${name}`;
    return [
      {
        envelope: parseSignedDocument(document.envelope, path),
        revision: decimal(document.revision, path),
      },
    ];
  });
}

/** The nonce travels nowhere: the opener cannot derive it without the secret, so it is the key's own constant. */
function derive(epochSecret: Uint8Array, content: Uint8Array): { key: Buffer; nonce: Buffer } {
  const key = Buffer.from(
    hkdfSync('sha256', epochSecret, sha256(content), 'hostward/v1/bundle-key', KEY_BYTES),
  );
  return { key, nonce: nonceOf(key) };
}

/** One key encrypts one content, ever, so a nonce derived from the key is never used for two. */
function nonceOf(key: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', 'hostward/v1/bundle-nonce', NONCE_BYTES));
}

function decrypt(ciphertext: Uint8Array, dataKey: string): Buffer {
  const key = fromBase64(base64Of(KEY_BYTES)(dataKey, 'dataKey'), 'dataKey', KEY_BYTES);
  const end = ciphertext.byteLength - TAG_BYTES;
  if (end <= 0) malformed('bundle', 'is cut short');
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(key), { authTagLength: TAG_BYTES });
  decipher.setAAD(AAD);
  decipher.setAuthTag(ciphertext.subarray(end));
  try {
    return Buffer.concat([decipher.update(ciphertext.subarray(0, end)), decipher.final()]);
  } catch (cause) {
    throw new RefusedError(
      'bad-seal',
      'bundle: does not open with the data key of the assignment',
      { cause },
    );
  }
}

function checkSize(ciphertext: Uint8Array): void {
  if (ciphertext.byteLength > limits.bundleBytes) {
    throw new RefusedError(
      'too-large',
      `bundle: ${ciphertext.byteLength} bytes, at most ${limits.bundleBytes}`,
    );
  }
}
