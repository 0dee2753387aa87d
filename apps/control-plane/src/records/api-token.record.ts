import { randomBytes } from 'node:crypto';
import type { ApiTokenView, Role } from '#contracts';
import {
  instant,
  matching,
  oneOf,
  optional,
  parseJson,
  record,
  text,
  version1,
} from '../http/shape.js';
import { hashToken } from '../auth/token-hash.js';
import { roles } from './user.record.js';

/** A bearer token as `token/{id}` holds it: its hash, never the token. */
export interface ApiTokenRecord {
  readonly v: 1;
  readonly id: string;
  /** `api` was made for a program; `session` by a login, and is worth what its user or mapping is worth now. */
  readonly kind: 'api' | 'session';
  readonly hash: string;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly selector?: string;
  /** Of a session: the user's record is the one of this time, so that a user made anew inherits no session. */
  readonly user?: { readonly name: string; readonly at: string };
  /** Of a session: the value of the claim that let it in is worth what the configuration says now. */
  readonly oidc?: { readonly issuer: string; readonly value: string };
  readonly expiresAt: string;
  readonly lastUsedAt?: string;
  readonly at: string;
  readonly by: string;
}

const stored = record<ApiTokenRecord>({
  v: version1,
  id: matching(/^[0-9a-f]{16}$/, 'must be 16 hexadecimal digits'),
  kind: oneOf(['api', 'session']),
  hash: matching(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'),
  name: text(253),
  roles,
  selector: optional(text(2_000)),
  user: optional(
    record<{ readonly name: string; readonly at: string }>({ name: text(253), at: instant }),
  ),
  oidc: optional(
    record<{ readonly issuer: string; readonly value: string }>({
      issuer: text(1_024),
      value: text(1_024),
    }),
  ),
  expiresAt: instant,
  lastUsedAt: optional(instant),
  at: instant,
  by: text(300),
});

/** Reads a stored token; throws ShapeError. */
export function decodeApiToken(bytes: Uint8Array): ApiTokenRecord {
  return stored(parseJson(bytes, 'token'), 'token');
}

/** A new token, with its id in the clear, so that it is found without trying all. */
export function makeBearer(id = randomBytes(8).toString('hex')): {
  readonly id: string;
  readonly token: string;
  readonly hash: string;
} {
  const token = `hwt_${id}_${randomBytes(32).toString('base64url')}`;
  return { id, token, hash: hashToken(token) };
}

/** Id in a token of ours; undefined for what is none. */
export function bearerId(token: string): string | undefined {
  return /^hwt_([0-9a-f]{16})_[A-Za-z0-9_-]{43}$/.exec(token)?.[1];
}

/** A token as REST shows it. */
export function apiTokenView(record: ApiTokenRecord, token?: string): ApiTokenView {
  const { id, name, roles, selector, expiresAt, lastUsedAt, at, by } = record;
  return { id, name, roles, selector, expiresAt, lastUsedAt, at, by, token };
}
