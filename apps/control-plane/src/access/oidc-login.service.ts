import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { IDToken } from 'openid-client';
import type { LoginAnswer, LoginMethods } from '#contracts';
import { Clock } from '../http/clock.js';
import { ProblemError, notFound } from '../http/index.js';
import { networkOf } from '../http/source-network.js';
import { currentSource } from '../auth/caller.js';
import { Directory } from './directory.js';
import { ID_TOKEN_MAX_AGE_MS, USED_FOR_MS } from '../store/ended-session.js';
import { IdTokenVerifier } from './id-token.verifier.js';
import { LoginGate } from './login.gate.js';
import { mappingOf } from './oidc-mapping.js';
import { OidcSettings } from './oidc.settings.js';
import { RateLimit } from '../http/rate-limit.js';
import { Sessions } from './sessions.js';

/** Shorter than that of a local user: of who leaves a group at the provider we hear at the next login only. */
const SESSION_MS = 4 * 3_600_000;

/** Mutex an ID token into a session, once, for whom the configuration maps to roles. */
@Injectable()
export class OidcLoginService {
  /** Tokens that were used here, also where that gave no session; the sessions in etcd tell other replicas. */
  readonly #used = new RateLimit({ burst: 1, refillMs: USED_FOR_MS, maxCallers: 10_000 });

  constructor(
    private readonly settings: OidcSettings,
    private readonly verifier: IdTokenVerifier,
    private readonly gate: LoginGate,
    private readonly sessions: Sessions,
    private readonly directory: Directory,
    private readonly clock: Clock,
  ) {}

  /** What a client has to know to log in; nothing of it is secret. */
  methods(): LoginMethods {
    const { config, ca } = this.settings;
    if (!config) return { password: true };
    const { issuer, clientId, scopes } = config;
    return { password: true, oidc: { issuer, clientId, scopes, ca } };
  }

  /** Throws 401 for a token that proves nothing or was used, 403 where nothing is mapped, 429 after too many of them. */
  async login(idToken: string, nonce: string): Promise<LoginAnswer> {
    const { config } = this.settings;
    if (!config) throw notFound('identity provider', 'oidc');
    const source = currentSource() ?? '';
    // Of nobody in particular before it is verified: each place is slowed by itself.
    const account = `oidc ${networkOf(source)}`;
    this.gate.enter(account, source);
    const claims = await this.#verified(idToken, nonce, source);
    const actor = `oidc/${claims.sub}`;
    const mapping = mappingOf(config, claims);
    if (!mapping) throw this.gate.refused(source, nothingMapped(config.rolesClaim), actor);
    const id = idOf(idToken);
    if (this.#used.take(id, this.clock.nowMs()) > 0)
      throw this.gate.refused(source, refused('it was used already'), actor);
    this.gate.right(account, source);
    return this.sessions.open({
      ...{ id, actor, name: actor, ttlMs: SESSION_MS, source },
      restsOn: { oidc: { issuer: config.issuer, value: mapping.value } },
      detail: { issuer: config.issuer, group: mapping.value, name: nameIn(claims) },
      stillSo: () => {
        if (this.directory.tokens.get(id)) throw refused('it was used already');
        return [];
      },
    });
  }

  async #verified(idToken: string, nonce: string, source: string): Promise<IDToken> {
    const claims = await this.verifier.claimsOf(idToken, nonce).catch((error: unknown) => {
      const known = error instanceof ProblemError && error.kind === 'not-authenticated';
      throw known ? this.gate.refused(source, error) : error;
    });
    if (this.clock.nowMs() - claims.iat * 1_000 > ID_TOKEN_MAX_AGE_MS)
      throw this.gate.refused(source, refused('it is older than ten minutes'));
    if (/^[\x21-\x7e]{1,200}$/.test(claims.sub)) return claims;
    throw this.gate.refused(source, refused('its subject is none that an audit log can name'));
  }
}

/** The session's id, from all that is signed: a token gives one session, also with a signature that was rewritten. */
function idOf(idToken: string): string {
  const signed = idToken.split('.').slice(0, 2).join('.');
  return createHash('sha256').update(signed).digest('hex').slice(0, 16);
}

/** For people who read the audit log; the subject alone counts. */
function nameIn({ preferred_username: name, email }: IDToken): string | undefined {
  const found = [name, email].find((each) => typeof each === 'string');
  return typeof found === 'string' ? found.slice(0, 200) : undefined;
}

function refused(why: string): ProblemError {
  return new ProblemError('not-authenticated', { detail: `the ID token is refused: ${why}` });
}

function nothingMapped(claim: string): ProblemError {
  return new ProblemError('not-permitted', {
    detail: `nothing in the claim ${claim} of your ID token is mapped to a role here: ask who runs the control plane`,
  });
}
