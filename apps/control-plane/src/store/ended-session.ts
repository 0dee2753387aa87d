import { etcdKeys, type Write } from '#etcd';
import type { ApiTokenRecord } from '../records/api-token.record.js';

/** A login sends its ID token at once; an older one was found somewhere. */
export const ID_TOKEN_MAX_AGE_MS = 600_000;
/** How long it is remembered that an ID token was used; its provider's clock may be ahead of ours. */
export const USED_FOR_MS = 2 * ID_TOKEN_MAX_AGE_MS;

/** Over for every clock: that of another replica may be behind. */
const ENDED = new Date(0).toISOString();

/**
 * What ends a token or session. The session of an ID token that could be sent once more is kept as one that has ended,
 * so that no replica takes that for a new one; all others are deleted.
 */
export function endOf(record: ApiTokenRecord, nowMs: number): Write {
  const key = etcdKeys.apiToken(record.id);
  return isKept(record, nowMs)
    ? { type: 'put', key, value: JSON.stringify({ ...record, expiresAt: ENDED }) }
    : { type: 'delete', key };
}

/** Whether the record of a session tells that its ID token was used, also once it has ended. */
export function isKept({ oidc, at }: ApiTokenRecord, nowMs: number): boolean {
  return oidc !== undefined && nowMs - Date.parse(at) < USED_FOR_MS;
}

/** Whether it was ended before its time, and is kept. */
export function wasEnded({ expiresAt }: ApiTokenRecord): boolean {
  return expiresAt === ENDED;
}
