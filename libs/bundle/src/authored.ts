import { type Author, type AuthoredKind, mayAuthor } from './author.js';
import { canonicalBytes, parseCanonical } from './canonical.js';
import {
  KeyRing,
  type SignedDocument,
  payloadTypes,
  signDocument,
  type Trust,
  verifyDocumentsAhead,
  verifySignatures,
} from './dsse.js';
import { sha256Hex } from './encoding.js';
import { RefusedError, malformed } from './errors.js';
import { limits } from './limits.js';
import { type PolicyDocument, parsePolicy } from './policy.js';
import type { RootDocument } from './root.js';
import { integer, mapOf, object, sha256HexText, text, version1 } from './shape.js';
import type { Signer } from './signing-key.js';
import { type SuspensionDocument, parseSuspension } from './suspension.js';

/** The labels and the name of one host, by its id: nobody can give it another's. */
export interface LabelsDocument {
  readonly v: 1;
  readonly nodeId: string;
  readonly name: string;
  readonly version: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** A document of authored mode by its kind. */
export type AuthoredDocument =
  | { readonly kind: 'policy' | 'group'; readonly document: PolicyDocument }
  | { readonly kind: 'labels'; readonly document: LabelsDocument }
  | { readonly kind: 'suspension'; readonly document: SuspensionDocument };

/** A document whose signatures were checked: who signed, and the digest by which two of one version are told apart. */
export interface Authored<T> {
  readonly document: T;
  readonly signers: readonly Author[];
  readonly digest: string;
}

const parseLabelsShape = object({
  v: version1,
  nodeId: sha256HexText,
  name: text(limits.nameChars, /^[^\0]+$/),
  version: integer(1),
  labels: mapOf(text(limits.nameChars), limits.labelsPerNode),
});

/** Bytes of a document, to be signed; throws RefusedError on one that no host would take. */
export function authoredPayload({ kind, document }: AuthoredDocument): Buffer {
  const payload = canonicalBytes(document);
  if (kind === 'labels') parseLabels(payload, kind);
  else if (kind === 'suspension') parseSuspension(payload, kind);
  else parsePolicy(payload, kind);
  return payload;
}

/** Signs a document with every signer. */
export function signAuthored(
  document: AuthoredDocument,
  signers: readonly Signer[],
): SignedDocument {
  return signDocument(payloadTypes[document.kind], authoredPayload(document), signers);
}

/** Verifies a policy or group by the authors of the root document, by as many as it asks for, then parses. */
export function verifyAuthored(
  signed: unknown,
  kind: 'policy' | 'group',
  root: RootDocument,
  path: string,
): Authored<PolicyDocument> {
  const { payload, ...authored } = verifyBytes(signed, kind, root, path);
  return { document: parsePolicy(payload, path), ...authored };
}

/** The same for the labels of a host. */
export function verifyLabels(
  signed: unknown,
  root: RootDocument,
  path = 'labels',
): Authored<LabelsDocument> {
  const { payload, ...authored } = verifyBytes(signed, 'labels', root, path);
  return { document: parseLabels(payload, path), ...authored };
}

/** Made once a root document: a bundle holds thousands of documents. */
const rings = new WeakMap<RootDocument, KeyRing>();

function ringOf(root: RootDocument): KeyRing {
  const known = rings.get(root) ?? new KeyRing(root.authors);
  rings.set(root, known);
  return known;
}

/** The same for a suspension. */
export function verifySuspension(
  signed: unknown,
  root: RootDocument,
  path = 'suspension',
): Authored<SuspensionDocument> {
  const { payload, ...authored } = verifyBytes(signed, 'suspension', root, path);
  return { document: parseSuspension(payload, path), ...authored };
}

/** Verifies the signatures of many documents of a kind on all cores: `verifyDocumentsAhead`. */
export function verifyAuthoredAhead(
  documents: readonly unknown[],
  kind: AuthoredKind,
  root: RootDocument,
): Promise<void> {
  return verifyDocumentsAhead(documents, trustIn(root, kind));
}

function trustIn(root: RootDocument, kind: AuthoredKind): Trust {
  const threshold = root.thresholds?.documents ?? 1;
  const isSmall = kind === 'labels' || kind === 'suspension';
  const maxBytes = isSmall ? limits.labelsBytes : limits.policyBytes;
  return { payloadType: payloadTypes[kind], keys: ringOf(root), threshold, maxBytes };
}

function verifyBytes(signed: unknown, kind: AuthoredKind, root: RootDocument, path: string) {
  const trust = trustIn(root, kind);
  const { payload, signers: ids } = verifySignatures(signed, trust, path);
  const signers = root.authors.filter(
    (author) => ids.includes(author.keyid) && mayAuthor(author, { kind }),
  );
  if (signers.length < trust.threshold)
    throw new RefusedError(
      'out-of-scope',
      `${path}: none of its authors may sign a ${kind} document`,
    );
  return { payload, signers, digest: sha256Hex(payload) };
}

function parseLabels(payload: Uint8Array, path: string): LabelsDocument {
  const parsed = parseLabelsShape(parseCanonical(payload, path, limits.labelsBytes), path);
  if ('__proto__' in parsed.labels && Object.hasOwn(parsed.labels, '__proto__'))
    malformed(path, 'has a label that cannot be one');
  return parsed;
}
