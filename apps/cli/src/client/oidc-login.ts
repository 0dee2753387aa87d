import {
  AuthorizationResponseError,
  None,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  customFetch,
  discovery,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
  type Configuration,
} from 'openid-client';
import type { LoginMethods } from '#contracts';
import { fetchTrusting } from '#pki';
import { CommandFailed, messageOf } from '../output/errors.js';
import { Loopback } from './loopback.js';

const WAIT_MS = 300_000;
const TIMEOUT_S = 15;

/** What the identity provider says about who sits at the browser, and the nonce that it was asked with. */
export interface IdTokenAnswer {
  readonly idToken: string;
  readonly nonce: string;
}

/**
 * Authorization code with PKCE: `show` gets the address to open; the browser comes back to a free port of 127.0.0.1.
 * State, nonce, issuer and signature are checked by openid-client. Ends after five minutes.
 */
export async function askProvider(
  method: NonNullable<LoginMethods['oidc']>,
  show: (url: string) => void,
): Promise<IdTokenAnswer> {
  const provider = await discover(method);
  const loopback = await Loopback.listen();
  try {
    const verifier = randomPKCECodeVerifier();
    const [state, nonce] = [randomState(), randomNonce()];
    const url = buildAuthorizationUrl(provider, {
      redirect_uri: loopback.redirectUri,
      scope: method.scopes.join(' '),
      code_challenge: await calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    });
    show(url.href);
    const answer = await loopback.answer(state, WAIT_MS);
    const tokens = await authorizationCodeGrant(provider, answer, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    });
    return { idToken: tokens.id_token ?? '', nonce };
  } catch (error) {
    throw failed(error);
  } finally {
    loopback.close();
  }
}

async function discover({
  issuer,
  clientId,
  ca,
}: NonNullable<LoginMethods['oidc']>): Promise<Configuration> {
  const options = { [customFetch]: fetchTrusting(ca), timeout: TIMEOUT_S };
  return discovery(new URL(issuer), clientId, undefined, None(), options).catch(
    (cause: unknown) => {
      throw new CommandFailed(
        `the identity provider ${issuer} cannot be asked: ${innermost(cause)}`,
        'is it reachable from here? Its CA is oidc.ca in the configuration of the control plane',
        { cause },
      );
    },
  );
}

function failed(cause: unknown): Error {
  if (cause instanceof CommandFailed) return cause;
  if (cause instanceof AuthorizationResponseError)
    return new CommandFailed(
      `the identity provider refused: ${cause.error_description ?? cause.error}`,
      'run `hostward login --oidc` again',
      { cause },
    );
  return new CommandFailed(`the login failed: ${innermost(cause)}`, undefined, { cause });
}

/** What openid-client was told, rather than that something went wrong. */
function innermost(error: unknown): string {
  let found = error;
  for (let i = 0; i < 5 && found instanceof Error && found.cause instanceof Error; i += 1)
    found = found.cause;
  return messageOf(found);
}
