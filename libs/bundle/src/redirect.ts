import { canonicalBytes, parseCanonical } from './canonical.js';
import {
  KeyRing,
  type SignedDocument,
  payloadTypes,
  signDocument,
  verifyDocument,
} from './dsse.js';
import { sha256Hex } from './encoding.js';
import { RefusedError, malformed } from './errors.js';
import { checkMinimumVersion } from './minimum-versions.js';
import { limits } from './limits.js';
import type { TrustedRoot } from './root.js';
import {
  type Parser,
  anything,
  integer,
  list,
  object,
  sha256HexText,
  text,
  version1,
} from './shape.js';
import type { Signer } from './signing-key.js';

/** Where a control plane answers (`https://HOST[:PORT]`), and the SHA-256 (hex) of its CA's DER. */
export interface ControlPlaneAddress {
  readonly url: string;
  readonly caFingerprint: string;
}

/** The hosts that a redirect is for; by ids, since a host of managed mode has no signed labels. */
export type RedirectTarget =
  | { readonly all: true; readonly nodeIds?: never }
  | { readonly nodeIds: readonly string[]; readonly all?: never };

/**
 * That hosts are to go to another control plane of the same fleet, or with `stay` that they are not to after all. Signed
 * by the root keys of exactly the root document that it names, which binds it to one fleet and epoch. Of all that a host
 * has seen the latest `issuedAt` counts. Times in ms since 1970.
 */
export type RedirectDocument = {
  readonly v: 1;
  readonly issuedAt: number;
  readonly root: { readonly version: number; readonly digest: string };
  readonly target: RedirectTarget;
  readonly reason: string;
} & (
  | {
      readonly to: ControlPlaneAddress;
      readonly notBefore: number;
      readonly expiresAt: number;
      readonly stay?: never;
    }
  | { readonly stay: true; readonly to?: never }
);

/** A redirect whose signatures were checked; `digest` tells two of one time apart. */
export interface VerifiedRedirect {
  readonly document: RedirectDocument;
  readonly digest: string;
}

/** The newest redirect that a host has seen. */
export interface RedirectMinimumVersion {
  readonly issuedAt: number;
  readonly digest: string;
}

/** By how much a signer's clock may be ahead of a host's. */
const CLOCK_TOLERANCE_MS = 5 * 60_000;

const controlPlaneUrl: Parser<string> = (value, path) => {
  const url = text(limits.urlChars)(value, path);
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'https:' || parsed.origin !== url)
    malformed(path, 'must be https://HOST or https://HOST:PORT and nothing more');
  return url;
};

/** Strict reading of an address, as it is signed. */
export const parseControlPlaneAddress: Parser<ControlPlaneAddress> = object({
  url: controlPlaneUrl,
  caFingerprint: sha256HexText,
});

const parseTarget = object(
  {},
  { all: anything, nodeIds: list(sha256HexText, limits.nodesPerRedirect, 1) },
);

const parseShape = object(
  {
    v: version1,
    issuedAt: integer(0),
    root: object({ version: integer(1), digest: sha256HexText }),
    target: parseTarget,
    reason: text(limits.reasonChars),
  },
  {
    to: parseControlPlaneAddress,
    notBefore: integer(0),
    expiresAt: integer(0),
    stay: anything,
  },
);

/** What binds a document to this root document, and with it to its fleet and epoch. */
export function rootBinding({ document, payload }: TrustedRoot): RedirectDocument['root'] {
  return { version: document.version, digest: sha256Hex(payload) };
}

/** Bytes of a redirect, to be signed; throws RefusedError on one that no host would take. */
export function redirectPayload(document: RedirectDocument): Buffer {
  const payload = canonicalBytes(document);
  parseRedirect(payload);
  return payload;
}

/** Signs a redirect with every signer. */
export function signRedirect(
  document: RedirectDocument,
  signers: readonly Signer[],
): SignedDocument {
  return signDocument(payloadTypes.redirect, redirectPayload(document), signers);
}

/**
 * Verifies the signatures by the root keys of `root`, as many as it asks for, then parses, then compares the root
 * document that is named: `unknown-key`, `bad-signature`, `malformed`, `root-mismatch`. Neither time nor target is
 * looked at.
 */
export function verifyRedirect(signed: unknown, root: TrustedRoot): VerifiedRedirect {
  const { threshold, keys } = root.document.root;
  const trust = {
    payloadType: payloadTypes.redirect,
    keys: new KeyRing(keys),
    threshold,
    maxBytes: limits.redirectBytes,
  };
  const payload = verifyDocument(signed, trust, 'redirect');
  const document = parseRedirect(payload);
  const bound = rootBinding(root);
  if (document.root.version !== bound.version || document.root.digest !== bound.digest)
    throw new RefusedError(
      'root-mismatch',
      `redirect: it is bound to root version ${document.root.version} of its fleet, version ${bound.version} of ours is in force; sign it anew`,
    );
  return { document, digest: sha256Hex(payload) };
}

/**
 * Whether a verified redirect counts for this host now: `not-for-this-node`, `document-rollback` and `equivocation`
 * against the newest that it has seen, `not-yet-valid`, `expired`.
 */
export function checkRedirect(
  { document, digest }: VerifiedRedirect,
  host: { readonly nodeId: string; readonly now: number; readonly newest?: RedirectMinimumVersion },
): void {
  const { nodeId, now, newest } = host;
  if (!isRedirected(document.target, nodeId))
    throw new RefusedError('not-for-this-node', 'redirect: it is for other hosts');
  const minimumVersion = newest && { version: newest.issuedAt, digest: newest.digest };
  checkMinimumVersion(minimumVersion, { version: document.issuedAt, digest }, 'redirect');
  if (document.issuedAt > now + CLOCK_TOLERANCE_MS)
    throw new RefusedError(
      'not-yet-valid',
      'redirect: it was signed in the future; compare clocks',
    );
  if (document.to === undefined) return;
  if (document.notBefore > now + CLOCK_TOLERANCE_MS)
    throw new RefusedError('not-yet-valid', `redirect: not before ${iso(document.notBefore)}`);
  if (now >= document.expiresAt)
    throw new RefusedError('expired', `redirect: it has expired at ${iso(document.expiresAt)}`);
}

/** Whether a redirect is for this host. */
export function isRedirected({ all, nodeIds }: RedirectTarget, nodeId: string): boolean {
  return all === true || (nodeIds?.includes(nodeId) ?? false);
}

/** Strict reading of a redirect's payload. */
function parseRedirect(payload: Uint8Array): RedirectDocument {
  const { to, notBefore, expiresAt, stay, target, ...common } = parseShape(
    parseCanonical(payload, 'redirect', limits.redirectBytes),
    'redirect',
  );
  const of = { ...common, target: targetOf(target) };
  if (stay === true && [to, notBefore, expiresAt].every((each) => each === undefined))
    return { ...of, stay };
  if (stay !== undefined || !to || notBefore === undefined || expiresAt === undefined)
    return malformed('redirect', 'needs to, notBefore and expiresAt, or stay: true');
  if (expiresAt <= notBefore) malformed('redirect.expiresAt', 'must be after notBefore');
  return { ...of, to, notBefore, expiresAt };
}

function targetOf({ all, nodeIds }: ReturnType<typeof parseTarget>): RedirectTarget {
  if (nodeIds && all === undefined) return { nodeIds };
  if (all === true && !nodeIds) return { all };
  return malformed('redirect.target', 'must be all: true, or nodeIds');
}

/** A time beyond what a Date holds is nobody's plan; it is told as its number. */
function iso(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms);
}
