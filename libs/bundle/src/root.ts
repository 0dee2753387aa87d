import { type Author, parseAuthor } from './author.js';
import { canonicalBytes, parseCanonical } from './canonical.js';
import {
  KeyRing,
  type SignedDocument,
  openUnverified,
  payloadTypes,
  signDocument,
  verifyDocument,
  verifySignatures,
} from './dsse.js';
import { RefusedError, malformed } from './errors.js';
import { limits } from './limits.js';
import { decimal } from './assignment-version.js';
import { type Parser, integer, list, object, oneOf, version1 } from './shape.js';
import { type PublicKey, type Signer, parsePublicKey } from './signing-key.js';

/**
 * Whom a host believes. `root` says who may sign the next root document (k of n), `online` who signs commits and, in
 * managed mode, policies; in authored mode policies, groups and labels are signed by `authors`, each document by
 * `thresholds.documents` of them, a policy that overrides the protection of the control path by `thresholds.overrides`
 * (both 1 where absent). Times in ms since 1970, `epoch` decimal.
 */
export interface RootDocument {
  readonly v: 1;
  readonly version: number;
  readonly epoch: string;
  readonly expiresAt: number;
  readonly mode: 'managed' | 'authored';
  readonly root: { readonly threshold: number; readonly keys: readonly PublicKey[] };
  readonly authors: readonly Author[];
  readonly thresholds?: { readonly documents: number; readonly overrides: number };
  readonly online: readonly PublicKey[];
}

/** A root document whose signatures were checked, with the bytes that were signed. */
export interface TrustedRoot {
  readonly document: RootDocument;
  readonly payload: Buffer;
  readonly signed: SignedDocument;
}

const keys = (min: number): Parser<readonly PublicKey[]> =>
  list(parsePublicKey, limits.keysPerRole, min);

const parseShape: Parser<RootDocument> = object(
  {
    v: version1,
    version: integer(1),
    epoch: decimal,
    expiresAt: integer(0),
    mode: oneOf('managed', 'authored'),
    root: object({ threshold: integer(1), keys: keys(1) }),
    authors: list(parseAuthor, limits.keysPerRole),
    online: keys(1),
  },
  { thresholds: object({ documents: integer(1), overrides: integer(1) }) },
);

/** Bytes of a root document, to be signed; throws RefusedError on one that no host would take. */
export function rootPayload(document: RootDocument): Buffer {
  const payload = canonicalBytes(document);
  parseRoot(payload);
  return payload;
}

/** What a root document says, and how many of the signatures that it carries are good; for those who collect them. */
export function inspectRoot(signed: unknown): {
  readonly document: RootDocument;
  readonly signers: readonly string[];
} {
  const { payload } = openUnverified(signed, payloadTypes.root, limits.rootBytes, 'root');
  const document = parseRoot(payload);
  const trust = {
    payloadType: payloadTypes.root,
    keys: new KeyRing(document.root.keys),
    maxBytes: limits.rootBytes,
    threshold: 0,
  };
  return { document, signers: verifySignatures(signed, trust, 'root').signers };
}

/** Signs a root document; for version N+1 the signers must reach the thresholds of N and of N+1. */
export function signRoot(document: RootDocument, signers: readonly Signer[]): SignedDocument {
  return signDocument(payloadTypes.root, rootPayload(document), signers);
}

/**
 * Takes a root document as the start of trust: it must carry its own threshold of signatures, but who it names is
 * believed because of where it came from (enrolment under the pinned CA, a file of root's).
 */
export function trustRoot(signed: unknown): TrustedRoot {
  const { document, payload } = openUnverified(signed, payloadTypes.root, limits.rootBytes, 'root');
  const parsed = parseRoot(payload);
  verifyBy(parsed, signed);
  return { document: parsed, payload, signed: document };
}

/**
 * Follows the root documents of a delivery, oldest first, from the trusted one on. Each next one must be version + 1, signed
 * by the thresholds of both, its epoch not lower. Another document in the place of the trusted one is passed over, where
 * one follows that does: so a fleet is led on whose control plane was restored to before the trusted one.
 */
export function followRoots(trusted: TrustedRoot, chain: readonly unknown[]): TrustedRoot {
  let current = trusted;
  let seen: number | undefined;
  let isOther = false;
  for (const signed of chain) {
    const { payload } = openUnverified(signed, payloadTypes.root, limits.rootBytes, 'root');
    // Of the trusted one's bytes everything is known; mostly it is the only one.
    const same = payload.equals(trusted.payload);
    const { version } = same ? trusted.document : parseRoot(payload);
    if (seen !== undefined && version !== seen + 1)
      malformed('root', 'versions are not consecutive');
    seen = version;
    isOther = version === trusted.document.version && !same;
    if (version >= trusted.document.version && !isOther) current = follow(current, signed, version);
  }
  if (seen === undefined) malformed('root', 'is missing');
  if (seen < trusted.document.version) {
    throw new RefusedError(
      'root-rollback',
      `root: version ${seen}, ${trusted.document.version} is trusted here`,
    );
  }
  if (isOther)
    throw new RefusedError(
      'root-mismatch',
      `root: another document under version ${seen}, which is trusted here; the next one counts again`,
    );
  return current;
}

function follow(current: TrustedRoot, signed: unknown, version: number): TrustedRoot {
  if (version === current.document.version) {
    verifyBy(current.document, signed);
    return current;
  }
  if (version !== current.document.version + 1) {
    throw new RefusedError(
      'root-mismatch',
      `root: version ${version} does not follow ${current.document.version}`,
    );
  }
  verifyBy(current.document, signed);
  const next = trustRoot(signed);
  if (BigInt(next.document.epoch) < BigInt(current.document.epoch)) {
    throw new RefusedError('root-rollback', `root: version ${version} lowers the epoch`);
  }
  return next;
}

function verifyBy({ root }: RootDocument, signed: unknown): void {
  const trust = {
    payloadType: payloadTypes.root,
    keys: new KeyRing(root.keys),
    maxBytes: limits.rootBytes,
  };
  verifyDocument(signed, { ...trust, threshold: root.threshold }, 'root');
}

function parseRoot(payload: Uint8Array): RootDocument {
  const document = parseShape(parseCanonical(payload, 'root', limits.rootBytes), 'root');
  const { threshold, keys: signers } = document.root;
  if (threshold > signers.length) malformed('root.root.threshold', 'is above the number of keys');
  for (const role of [signers, document.authors, document.online]) {
    if (new Set(role.map(({ keyid }) => keyid)).size !== role.length)
      malformed('root', 'names a key twice in a role');
  }
  checkAuthors(document);
  return document;
}

/** In authored mode nothing could be signed by too few authors. */
function checkAuthors({ mode, authors, thresholds }: RootDocument): void {
  const { documents = 1, overrides = 1 } = thresholds ?? {};
  if (overrides < documents) malformed('root.thresholds.overrides', 'is below that of documents');
  const needed = thresholds || mode === 'authored' ? overrides : 0;
  if (authors.length < needed)
    malformed('root.authors', `are fewer than the ${needed} that must sign`);
}
