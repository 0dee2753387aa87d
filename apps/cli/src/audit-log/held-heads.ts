import {
  RefusedError,
  verifyAuditLogHead,
  verifySignedStatus,
  type HostSignedStatus,
  type AuditLogHead,
  type AuditLogPoint,
  type PublicKey,
} from '#bundle';
import type { SignedStatusView } from '#contracts';

/** A head that a host says, by its own signature, to have seen. */
export interface HeldHead extends AuditLogPoint {
  /** When it was signed, in ms since 1970. */
  readonly at: number;
  readonly node: string;
}

/** What the hosts were found to hold. */
export interface Held {
  /** Only those that a believed key signed: a host cannot make one up. */
  readonly heads: readonly HeldHead[];
  /** Hosts of which one at least is among `heads`. */
  readonly heard: number;
  /** Hosts that said nothing lately, or nothing that is theirs. */
  readonly silent: readonly string[];
  /** Hosts that hold heads of which none was signed by a believed key. */
  readonly strange: readonly string[];
}

/** Signed statuses are signed at least every few minutes: what is older says nothing about now. */
const MAX_AGE_MS = 15 * 60_000;

/**
 * Reads what hosts hold of the audit log out of their signed statuses. `pinOf` gives the id under which this operator
 * knows a host; another host's word does not count for it.
 */
export function heldBy(
  views: readonly SignedStatusView[],
  keys: readonly PublicKey[],
  pinOf: (node: string) => string | undefined,
  now: number,
): Held {
  const told = views.map((view) => ({ node: view.node, ...headsOf(view, keys, pinOf, now) }));
  return {
    heads: told.flatMap(({ node, heads }) => heads.map((head) => ({ ...head, node }))),
    heard: told.filter(({ heads }) => heads.length > 0).length,
    silent: told.filter(({ spoke }) => !spoke).map(({ node }) => node),
    strange: told
      .filter(({ heads, shown }) => shown > 0 && heads.length === 0)
      .map(({ node }) => node),
  };
}

interface Told {
  readonly heads: readonly AuditLogHead[];
  /** How many heads it showed, believed or not. */
  readonly shown: number;
  readonly spoke: boolean;
}

/** An old signed status still proves its heads; it only does not count as having been heard now. */
function headsOf(
  view: SignedStatusView,
  keys: readonly PublicKey[],
  pinOf: (node: string) => string | undefined,
  now: number,
): Told {
  const signedStatus = verified(() =>
    verifySignedStatus(view.signedStatus, view.key, pinOf(view.node) ?? view.nodeId),
  );
  if (signedStatus === undefined) return { heads: [], shown: 0, spoke: false };
  const heads = signedStatus.auditLog.flatMap(
    (signed) => verified(() => verifyAuditLogHead(signed, keys)) ?? [],
  );
  return { heads, shown: signedStatus.auditLog.length, spoke: isRecent(signedStatus, now) };
}

function isRecent({ at, auditLog }: HostSignedStatus, now: number): boolean {
  return Math.abs(now - at) <= MAX_AGE_MS && auditLog.length > 0;
}

function verified<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}
