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
export interface Floor {
  readonly version: number;
  readonly digest: string;
  readonly held?: { readonly tier: string; readonly sections: readonly string[] };
}

/**
 * What a host of authored mode remembers of the documents that it took: of each name the newest version. Kept by the
 * sensor beside the trusted root, so that nothing that was seen goes back or vanishes.
 */
export interface Floors {
  readonly v: 1;
  readonly policies: Readonly<Record<string, Floor>>;
  readonly groups: Readonly<Record<string, Floor>>;
  readonly suspensions?: Readonly<Record<string, Floor>>;
  readonly labels?: Floor & { readonly labels: Readonly<Record<string, string>> };
}

export const NO_FLOORS: Floors = { v: 1, policies: {}, groups: {} };

const common = { version: integer(1), digest: sha256HexText } as const;
const parseFloor: Parser<Floor> = object(common, {
  held: object({ tier: text(40), sections: list(text(40), 32) }),
});

const parseShape: Parser<Floors> = object(
  {
    v: version1,
    policies: mapOf(parseFloor, limits.policiesPerBundle),
    groups: mapOf(parseFloor, limits.groupsPerBundle),
  },
  {
    suspensions: mapOf(parseFloor, limits.suspensionsPerBundle),
    labels: object({
      ...common,
      labels: mapOf(text(limits.nameChars), limits.labelsPerNode),
    }),
  },
);

/** Bytes to be kept; `too-large` where a host would have to remember more than it can. */
export function encodeFloors(floors: Floors): Buffer {
  const bytes = canonicalBytes(floors);
  if (bytes.byteLength > limits.floorsBytes)
    throw new RefusedError(
      'too-large',
      `floors: ${bytes.byteLength} bytes, at most ${limits.floorsBytes}`,
    );
  return bytes;
}

/** Reads what was kept; throws RefusedError. */
export function decodeFloors(bytes: Uint8Array): Floors {
  decodeUtf8(bytes, 'floors');
  return parseShape(parseCanonical(bytes, 'floors', limits.floorsBytes), 'floors');
}

/** Refuses a version below the one seen, and another document under the version seen. */
export function checkFloor(
  floor: Pick<Floor, 'version' | 'digest'> | undefined,
  { version, digest }: Pick<Floor, 'version' | 'digest'>,
  path: string,
): void {
  if (!floor) return;
  if (version < floor.version) {
    throw new RefusedError(
      'document-rollback',
      `${path}: version ${version}, but version ${floor.version} was seen here; sign a later one`,
    );
  }
  if (version === floor.version && digest !== floor.digest) {
    throw new RefusedError('equivocation', `${path}: another document under version ${version}`);
  }
}
