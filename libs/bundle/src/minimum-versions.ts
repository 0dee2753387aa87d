import { canonicalBytes, decodeUtf8, parseCanonical } from './canonical.js';
import { RefusedError } from './errors.js';
import { limits } from './limits.js';
import {
  type Parser,
  integer,
  list,
  mapOf,
  object,
  sha256HexText,
  text,
  version1,
} from './shape.js';

/** The newest version of a document that a host has seen. `held`: what it enforces, which only who may sign that ends. */
export interface MinimumVersion {
  readonly version: number;
  readonly digest: string;
  readonly held?: { readonly tier: string; readonly sections: readonly string[] };
}

/**
 * What a host of authored mode remembers of the documents that it took: of each name the newest version. Kept by the
 * sensor beside the trusted root, so that nothing that was seen goes back or vanishes.
 */
export interface MinimumVersions {
  readonly v: 1;
  readonly policies: Readonly<Record<string, MinimumVersion>>;
  readonly groups: Readonly<Record<string, MinimumVersion>>;
  readonly suspensions?: Readonly<Record<string, MinimumVersion>>;
  readonly labels?: MinimumVersion & { readonly labels: Readonly<Record<string, string>> };
}

export const NO_MINIMUM_VERSIONS: MinimumVersions = { v: 1, policies: {}, groups: {} };

const common = { version: integer(1), digest: sha256HexText } as const;
const parseMinimumVersion: Parser<MinimumVersion> = object(common, {
  held: object({ tier: text(40), sections: list(text(40), 32) }),
});

const parseShape: Parser<MinimumVersions> = object(
  {
    v: version1,
    policies: mapOf(parseMinimumVersion, limits.policiesPerBundle),
    groups: mapOf(parseMinimumVersion, limits.groupsPerBundle),
  },
  {
    suspensions: mapOf(parseMinimumVersion, limits.suspensionsPerBundle),
    labels: object({
      ...common,
      labels: mapOf(text(limits.nameChars), limits.labelsPerNode),
    }),
  },
);

/** Bytes to be kept; `too-large` where a host would have to remember more than it can. */
export function encodeMinimumVersions(minimumVersions: MinimumVersions): Buffer {
  const bytes = canonicalBytes(minimumVersions);
  if (bytes.byteLength > limits.minimumVersionsBytes)
    throw new RefusedError(
      'too-large',
      `minimum versions: ${bytes.byteLength} bytes, at most ${limits.minimumVersionsBytes}`,
    );
  return bytes;
}

/** Reads what was kept; throws RefusedError. */
export function decodeMinimumVersions(bytes: Uint8Array): MinimumVersions {
  decodeUtf8(bytes, 'minimum versions');
  return parseShape(
    parseCanonical(bytes, 'minimum versions', limits.minimumVersionsBytes),
    'minimum versions',
  );
}

/** Refuses a version below the one seen, and another document under the version seen. */
export function checkMinimumVersion(
  minimumVersion: Pick<MinimumVersion, 'version' | 'digest'> | undefined,
  { version, digest }: Pick<MinimumVersion, 'version' | 'digest'>,
  path: string,
): void {
  if (!minimumVersion) return;
  if (version < minimumVersion.version) {
    throw new RefusedError(
      'document-rollback',
      `${path}: version ${version}, but version ${minimumVersion.version} was seen here; sign a later one`,
    );
  }
  if (version === minimumVersion.version && digest !== minimumVersion.digest) {
    throw new RefusedError('equivocation', `${path}: another document under version ${version}`);
  }
}
