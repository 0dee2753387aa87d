import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { createAuthority, issueServer } from '#pki';
import { IdTokenVerifier } from './id-token.verifier.js';
import { OidcSettings } from './oidc.settings.js';

const HOUR_MS = 3_600_000;

let provider: Server;
let settings: OidcSettings;
/** How often the provider was asked for its metadata. */
let asked: number;

beforeEach(async () => {
  const authority = await createAuthority({ name: 'ca', days: 1 });
  const { certificatePem: cert, privateKeyPem: key } = await issueServer({
    ...{ authority, names: [], ips: ['127.0.0.1'] },
  });
  asked = 0;
  let issuer = '';
  provider = createServer({ cert, key }, (_request, response) => {
    asked += 1;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }));
  });
  await once(provider.listen(0, '127.0.0.1'), 'listening');
  issuer = `https://127.0.0.1:${(provider.address() as AddressInfo).port}`;
  const config = { issuer, clientId: 'cli', scopes: ['openid'], rolesClaim: 'groups', roles: [] };
  settings = new OidcSettings(config, authority.certificatePem);
});
afterEach(() => {
  provider.closeAllConnections();
  provider.close();
});

it('believes what a provider says of itself for an hour, and not until a clock that was set back has come there again', async () => {
  let nowMs = Date.now();
  const verifier = new IdTokenVerifier(settings, { nowMs: () => nowMs });
  const askedAt = async (ms: number): Promise<number> => {
    nowMs = ms;
    await expect(verifier.claimsOf('a.b.c', 'n')).rejects.toThrow('the ID token is refused');
    return asked;
  };
  const start = nowMs;
  expect(await askedAt(start)).toBe(1);
  expect(await askedAt(start + HOUR_MS - 1)).toBe(1);
  expect(await askedAt(start + HOUR_MS)).toBe(2);
  expect(await askedAt(start)).toBe(3);
});
