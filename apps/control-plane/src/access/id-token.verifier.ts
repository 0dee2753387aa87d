import { Injectable } from '@nestjs/common';
import {
  ClientError,
  None,
  customFetch,
  discovery,
  implicitAuthentication,
  useIdTokenResponseType,
  type Configuration,
  type IDToken,
} from 'openid-client';
import { fetchTrusting } from '#pki';
import { Clock } from '../http/clock.js';
import type { OidcConfig } from '../config/oidc.js';
import { ProblemError, notFound } from '../http/index.js';
import { OidcSettings } from './oidc.settings.js';

const TIMEOUT_S = 10;
/** How long the provider's metadata are believed; its keys are fetched more often, and at once for one not known. */
const METADATA_MS = 3_600_000;

/** Says who an ID token is about: all that makes it a token of our provider for our client is checked by openid-client. */
@Injectable()
export class IdTokenVerifier {
  #discovered: Promise<Configuration> | undefined;
  #discoveredAt = 0;
  /** By which settings. */
  #discoveredBy: OidcConfig | undefined;

  constructor(
    private readonly settings: OidcSettings,
    private readonly clock: Clock,
  ) {}

  /**
   * Claims of a token whose signature, issuer, audience, end and nonce are right. Throws 401 for any other, 503 where the provider
   * cannot be asked for its keys, and 404 where the configuration names none.
   */
  async claimsOf(idToken: string, nonce: string): Promise<IDToken> {
    const { config } = this.settings;
    if (!config) throw notFound('identity provider', 'oidc');
    try {
      const provider = await this.#provider();
      const answer = new URL(
        `https://localhost/#${new URLSearchParams({ id_token: idToken }).toString()}`,
      );
      const claims = await implicitAuthentication(provider, answer, nonce);
      if (config.audience === undefined || [claims.aud].flat().includes(config.audience))
        return claims;
    } catch (error) {
      throw refusalOf(error);
    }
    throw refused(`it is not for the audience ${config.audience}`);
  }

  #provider(): Promise<Configuration> {
    const nowMs = this.clock.nowMs();
    // Below zero the clock was set back, by who knows how much.
    const ageMs = nowMs - this.#discoveredAt;
    const isFresh = ageMs >= 0 && ageMs < METADATA_MS;
    if (this.#discovered && isFresh && this.#discoveredBy === this.settings.config)
      return this.#discovered;
    const discovered = this.#discover();
    this.#discovered = discovered;
    this.#discoveredBy = this.settings.config;
    this.#discoveredAt = nowMs;
    discovered.catch(() => (this.#discovered = undefined));
    return discovered;
  }

  async #discover(): Promise<Configuration> {
    const { config, ca } = this.settings;
    if (!config) throw notFound('identity provider', 'oidc');
    const provider = await discovery(new URL(config.issuer), config.clientId, undefined, None(), {
      [customFetch]: answering(ca),
      timeout: TIMEOUT_S,
    }).catch((cause: unknown) => {
      throw new ProviderSilent(config.issuer, { cause });
    });
    useIdTokenResponseType(provider);
    return provider;
  }
}

/** The provider could not be asked: nothing is known about the token. */
class ProviderSilent extends Error {
  constructor(url: string, options: ErrorOptions) {
    super(`${url} cannot be asked`, options);
  }
}

function answering(ca: string | undefined): ReturnType<typeof fetchTrusting> {
  const fetch = fetchTrusting(ca);
  return async (url, fetched) => {
    const answer = await fetch(url, fetched).catch((cause: unknown) => {
      throw new ProviderSilent(url, { cause });
    });
    if (answer.status < 500) return answer;
    throw new ProviderSilent(url, { cause: `status ${answer.status}` });
  };
}

function refusalOf(error: unknown): ProblemError {
  for (let each = error, i = 0; each instanceof Error && i < 5; each = each.cause, i += 1)
    if (each instanceof ProviderSilent)
      return new ProblemError('unavailable', {
        detail: 'the identity provider cannot be asked for its keys',
        cause: error,
      });
  if (!(error instanceof Error)) return refused('it cannot be read');
  const cause = error instanceof ClientError ? error.cause : undefined;
  return refused(cause instanceof Error ? cause.message : error.message, error);
}

function refused(why: string, cause?: unknown): ProblemError {
  return new ProblemError('not-authenticated', {
    detail: `the ID token is refused: ${why}`,
    cause,
  });
}
