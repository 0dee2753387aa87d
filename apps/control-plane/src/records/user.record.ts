import { ROLES, type Role, type UserView } from '#contracts';
import {
  instant,
  list,
  oneOf,
  optional,
  parseJson,
  record,
  text,
  version1,
} from '../http/shape.js';
import { secretHash, type SecretHash } from '../auth/secret-hash.js';

/** A local user as `user/{name}` holds it: the hash of its secret, never the secret. */
export interface UserRecord {
  readonly v: 1;
  readonly name: string;
  readonly roles: readonly Role[];
  readonly selector?: string;
  readonly secret: SecretHash;
  readonly at: string;
  readonly by: string;
}

/** Roles as records hold them. */
export const roles = list(oneOf(ROLES), ROLES.length);

const stored = record<UserRecord>({
  v: version1,
  name: text(253),
  roles,
  selector: optional(text(2_000)),
  secret: secretHash,
  at: instant,
  by: text(300),
});

/** Reads a stored user; throws ShapeError. */
export function decodeUser(bytes: Uint8Array): UserRecord {
  return stored(parseJson(bytes, 'user'), 'user');
}

/** A user as REST shows it. */
export function userView({ v: _format, secret: _secret, ...view }: UserRecord): UserView {
  return view;
}
