import {
  type RedirectDocument,
  type TrustedRoot,
  type VerifiedRedirect,
  isRedirected,
  verifyRedirect,
} from '#bundle';
import type { RedirectView } from '#contracts';
import type { FleetState } from '../store/fleet-state.js';
import type { RedirectRecord } from '../records/redirect.record.js';

/** A stored redirect; `verified` is absent where it does not count by the root document in force. */
export interface KeptRedirect {
  readonly id: string;
  readonly record: RedirectRecord;
  readonly verified?: VerifiedRedirect;
}

/** All of a fleet, newest first. */
export function keptRedirects(state: FleetState, root: TrustedRoot): readonly KeptRedirect[] {
  return state.redirects
    .sorted()
    .map(({ name: id, record }) => ({ id, record, verified: verifiedOf(id, record, root) }))
    .sort((a, b) => Number(b.id) - Number(a.id));
}

/** The one that counts for a host: the newest that names it, unless it is planned for later, or is over. */
export function redirectFor(
  kept: readonly KeptRedirect[],
  nodeId: string,
  nowMs: number,
): KeptRedirect | undefined {
  const newest = kept.find(
    ({ verified }) => verified && isRedirected(verified.document.target, nodeId),
  );
  const document = newest?.verified?.document;
  return document && (document.stay || isInForce(document, nowMs)) ? newest : undefined;
}

/** Whether it sends hosts somewhere at this time. */
export function isInForce(document: RedirectDocument, nowMs: number): boolean {
  return document.to !== undefined && document.notBefore <= nowMs && nowMs < document.expiresAt;
}

/** How a redirect stands among the others. */
export function redirectState(
  kept: readonly KeptRedirect[],
  { id, verified }: KeptRedirect,
  nowMs: number,
): RedirectView['state'] {
  if (!verified) return 'void';
  const { document } = verified;
  if (document.to === undefined) return 'ends-others';
  if (nowMs >= document.expiresAt) return 'expired';
  const later = kept.filter((other) => Number(other.id) > Number(id));
  if (later.some((other) => other.verified && covers(other.verified.document, document)))
    return 'superseded';
  return nowMs < document.notBefore ? 'planned' : 'in-force';
}

/** Whether the later one is for every host that the earlier one is for. */
function covers({ target: later }: RedirectDocument, { target }: RedirectDocument): boolean {
  return later.all === true || (target.nodeIds?.every((id) => isRedirected(later, id)) ?? false);
}

/** Nothing that was signed binds it to its key in etcd but its time, and hosts go by that. */
function verifiedOf(
  id: string,
  { envelope }: RedirectRecord,
  root: TrustedRoot,
): VerifiedRedirect | undefined {
  try {
    const verified = verifyRedirect(envelope, root);
    return String(verified.document.issuedAt) === id ? verified : undefined;
  } catch {
    // Fails towards staying: what the root keys in force did not sign sends nobody anywhere.
    return undefined;
  }
}
