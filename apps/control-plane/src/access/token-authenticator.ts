import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import type { Role } from '#contracts';
import { Authenticator } from '../auth/authenticator.js';
import { Clock } from '../http/clock.js';
import { ProblemError } from '../http/index.js';
import { AdminToken } from './admin-token.js';
import { bearerId, type ApiTokenRecord } from '../records/api-token.record.js';
import { adminCaller, type Caller } from '../auth/caller.js';
import { Directory } from './directory.js';
import { FailedLogins } from './failed-logins.js';
import { mappingNow } from './oidc-mapping.js';
import { OidcSettings } from './oidc.settings.js';
import { permissionsOf } from '../auth/permission.js';
import { Scope } from '../auth/scope.js';
import { tokenMatches } from '../auth/token-hash.js';

interface Grant {
  readonly actor: string;
  readonly roles: readonly Role[];
  readonly selector?: string;
}

/** Says whom a bearer token stands for. */
@Injectable()
export class TokenAuthenticator extends Authenticator {
  constructor(
    private readonly admin: AdminToken,
    private readonly directory: Directory,
    private readonly oidc: OidcSettings,
    private readonly failures: FailedLogins,
    private readonly clock: Clock,
  ) {
    super();
  }

  failed(source: string): void {
    this.failures.add(source);
  }

  /** Undefined for a token that counts for nothing: unknown, expired, revoked, of a user who is gone. */
  callerOf(token: string, source: string): Caller | undefined {
    if (this.admin.matches(token)) return adminCaller(source, () => this.admin.matches(token));
    const id = bearerId(token);
    if (id === undefined) return undefined;
    if (!this.directory.ready)
      throw new ProblemError('unavailable', { detail: 'etcd has not been read yet' });
    const found = this.directory.tokens.get(id)?.record;
    if (!found || !tokenMatches(token, found.hash)) return undefined;
    const grant = this.#grantOf(found);
    return grant && toCaller(found, grant, source, () => this.#stillCounts(found, grant));
  }

  /** What a token is worth now; undefined where it is worth nothing any more. */
  #grantOf(record: ApiTokenRecord): Grant | undefined {
    if (Date.parse(record.expiresAt) <= this.clock.nowMs()) return undefined;
    const { id, kind, user, oidc, roles, selector, by } = record;
    if (kind === 'api') return { actor: `token/${id}`, roles, selector };
    if (oidc) {
      const mapping = mappingNow(this.oidc.config, oidc);
      return mapping && { actor: by, roles: mapping.roles, selector: mapping.selector };
    }
    const found = user && this.directory.users.get(user.name)?.record;
    if (!found || found.at !== user.at) return undefined;
    return { actor: `user/${found.name}`, roles: found.roles, selector: found.selector };
  }

  /** Not where it is worth something else now: who asks again gets that. */
  #stillCounts({ id, hash }: ApiTokenRecord, grant: Grant): boolean {
    const now = this.directory.tokens.get(id)?.record;
    return now?.hash === hash && isDeepStrictEqual(this.#grantOf(now), grant);
  }
}

function toCaller(
  { id, expiresAt }: ApiTokenRecord,
  { actor, roles, selector }: Grant,
  source: string,
  stillCounts: () => boolean,
): Caller {
  // A scope that cannot be read throws: it must never count as the whole fleet.
  const scope = selector === undefined ? undefined : Scope.parse(selector);
  const permissions = permissionsOf(roles, scope !== undefined);
  return { actor, source, roles, permissions, scope, tokenId: id, expiresAt, stillCounts };
}
