import { createHash, randomBytes } from 'node:crypto';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { get } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { stringify } from 'yaml';
import { eventually } from '../e2e/support/eventually.js';
import { Product, type StoredContext } from '../e2e/support/product.js';
import { RunningCommand } from '../e2e/support/running-command.js';
import { CLIENT, IdentityProvider } from './support/identity-provider.js';

jest.setTimeout(300_000);

const WITHIN_MS = 60_000;
const GROUPS = { alice: ['staff', 'platform'], bob: ['staff'], carol: ['web', 'platform'] };

let provider: IdentityProvider;
let stranger: IdentityProvider;
let product: Product;
let context: StoredContext;

beforeAll(async () => {
  // The provider says at length that it is set up for tests.
  for (const level of ['warn', 'info'] as const) jest.spyOn(console, level).mockReturnValue();
  [provider, stranger] = await Promise.all([
    IdentityProvider.start(GROUPS),
    IdentityProvider.start(GROUPS),
  ]);
  product = await Product.up();
  // As the guide says: the section is added to the file, and `up` keeps it.
  const folder = join(product.dataDir, 'control-plane');
  await writeFile(join(folder, 'provider-ca.pem'), provider.certificates.ca);
  const oidc = {
    issuer: provider.issuer,
    clientId: CLIENT,
    ca: 'provider-ca.pem',
    roles: [
      { value: 'web', roles: ['operator'], selector: 'team=web' },
      { value: 'platform', roles: ['author', 'approver'] },
    ],
  };
  await appendFile(join(folder, 'control-plane.yaml'), stringify({ oidc }));
  await product.stop();
  await product.start();
  context = await product.context();
});
afterAll(async () => {
  await product.down();
  await Promise.all([provider.stop(), stranger.stop()]);
});

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

let places = 1;

/** Sends an ID token, each time from another place of this machine, so that the brake says nothing. */
function send(idToken: string, nonce = 'n', from = `127.0.1.${++places}`): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      `${context.url}/v1/sessions/oidc`,
      {
        ...{ method: 'POST', ca: context.ca, localAddress: from, agent: false },
        headers: { 'content-type': 'application/json' },
      },
      (incoming) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const body = JSON.parse(text) as Answer['body'];
          resolve({ status: incoming.statusCode ?? 0, body });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(JSON.stringify({ idToken, nonce }));
  });
}

/** What the loopback port of the command line says to whoever comes to it. */
function visit(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (incoming) => {
      incoming.resume().on('end', () => resolve(incoming.statusCode ?? 0));
    }).on('error', reject);
  });
}

/** `hostward login --oidc`, begun, and the address that it shows. */
async function beginLogin(
  ...more: string[]
): Promise<{ readonly command: RunningCommand; readonly url: string }> {
  const env = { XDG_CONFIG_HOME: product.configHome };
  const command = RunningCommand.cli(['login', '--oidc', ...more], { env });
  let url = '';
  await eventually('the address', WITHIN_MS, () => {
    url = /^https:\/\/\S+$/m.exec(command.stderr)?.[0] ?? '';
    return Promise.resolve(url !== '');
  });
  return { command, url };
}

async function login(user: string) {
  const { command, url } = await beginLogin();
  const back = await provider.signIn(url, user);
  expect(await visit(back)).toBe(200);
  return { ...(await command.ended), back };
}

const whoami = async (): Promise<string> => (await product.must(['whoami'])).stdout;

interface Told {
  readonly action: string;
  readonly actor: string;
  readonly detail: Readonly<Record<string, unknown>>;
}
const auditLog = async (): Promise<readonly Told[]> =>
  (await (await product.rest()).get('/v1/audit-log?limit=500')).body[
    'items'
  ] as unknown as readonly Told[];

describe('a login by the identity provider', () => {
  it('gives the roles of the first group that is mapped, is recorded in the audit log, and ends by logout', async () => {
    const { code, stdout, stderr } = await login('alice');
    expect([code, stdout, stderr]).toEqual([
      0,
      expect.stringContaining('logged in as oidc/alice'),
      expect.any(String),
    ]);
    expect(await whoami()).toMatch(/^oidc\/alice\n.*author, approver\n +hosts +all/s);
    await product.must(['logout']);
    expect(await whoami()).toMatch(/^admin\n/);
    expect(await auditLog()).toContainEqual(
      expect.objectContaining({
        ...{ action: 'login', actor: 'oidc/alice' },
        detail: expect.objectContaining({ issuer: provider.issuer, group: 'platform' }),
      }),
    );
  });

  it('gives the scope of the mapping too', async () => {
    expect((await login('carol')).code).toBe(0);
    expect(await whoami()).toMatch(/^oidc\/carol\n.*operator\n +hosts +team=web/s);
    expect((await product.cli(['create', 'join-token'])).stderr).toContain('scope');
    await product.must(['logout']);
  });
});

describe('a login that is begun', () => {
  it('opens the address with the program that is named, and only then', async () => {
    const [program, opened] = ['browser', 'opened'].map((name) => join(product.dataDir, name));
    await writeFile(String(program), `#!/bin/sh\nprintf %s "$1" >${opened}\n`, { mode: 0o700 });
    const { command, url } = await beginLogin('--browser', String(program));
    await eventually('opened', WITHIN_MS, async () => {
      return (await readFile(String(opened), 'utf8')) === url;
    });
    await visit(await provider.signIn(url, 'alice'));
    expect((await command.ended).code).toBe(0);
    await product.must(['logout']);
  });

  it('says what the provider refused, and ends', async () => {
    const { command, url } = await beginLogin();
    const { searchParams } = new URL(url);
    const back = new URL(searchParams.get('redirect_uri') ?? '');
    back.searchParams.set('state', searchParams.get('state') ?? '');
    back.searchParams.set('iss', provider.issuer);
    back.searchParams.set('error', 'access_denied');
    back.searchParams.set('error_description', 'not today\u001b[2J');
    expect(await visit(back.href)).toBe(200);
    const { code, stderr } = await command.ended;
    expect([code, stderr]).toEqual([1, expect.stringContaining('provider refused: not today?[2J')]);
  });

  it.each([
    [[], 'either --user NAME or --oidc'],
    [['--oidc', '--user', 'alice'], 'either --user NAME or --oidc'],
    [['--oidc', '--secret-fd', '0'], '--secret-fd goes with --user'],
    [['--user', 'alice', '--browser', 'x'], '--browser goes with --oidc'],
  ])('is not begun by login %j', async (args, message) => {
    const { code, stderr } = await product.cli(['login', ...args]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

describe('ATTACKER: somebody with a token that proves nothing', () => {
  it('ATTACKER: is known to the provider but in no group that is mapped: no login', async () => {
    const { code, stderr } = await login('bob');
    expect([code, stderr]).toEqual([1, expect.stringContaining('is mapped to a role')]);
    expect(await whoami()).toMatch(/^admin\n/);
    for (const groups of [undefined, [], 'platforms', ['PLATFORM'], { platform: true }, null])
      expect([groups, (await send(provider.token({ groups }))).status]).toEqual([groups, 403]);
  });

  it('the same token unchanged is taken: what is refused below is refused for what is changed', async () => {
    const { status, body } = await send(provider.token());
    expect([status, body['actor']]).toEqual([200, 'oidc/alice']);
  });

  const now = Math.floor(Date.now() / 1000);
  it.each<[string, RegExp, () => string]>([
    ['for another client', /"aud"/, () => provider.token({ aud: `${CLIENT}-other` })],
    [
      'for two clients, made for the other one',
      /"azp"/,
      () => provider.token({ aud: [CLIENT, 'x'], azp: 'x' }),
    ],
    ['without an audience', /"aud"/, () => provider.token({ aud: undefined })],
    ['of another issuer, with its own keys', /"iss"/, () => stranger.token()],
    [
      'that claims our issuer, with keys of another',
      /signature/,
      () => stranger.token({ iss: provider.issuer }),
    ],
    [
      'that claims another issuer, with our keys',
      /"iss"/,
      () => provider.token({ iss: stranger.issuer }),
    ],
    ['that has expired', /"exp"/, () => provider.token({ iat: now - 90, exp: now - 30 })],
    ['without an end', /"exp"/, () => provider.token({ exp: undefined })],
    [
      'of long ago that has not expired',
      /older/,
      () => provider.token({ iat: now - 1_000, exp: now + 9_000 }),
    ],
    ['with alg none', /"alg"/, () => provider.token({}, { alg: 'none' })],
    ['with the public key as a shared secret', /"alg"/, () => provider.token({}, { alg: 'HS256' })],
    ['with a key that nobody knows', /key/, () => provider.token({}, { kid: 'two' })],
    ['of another login', /"nonce"/, () => provider.token({ nonce: 'other' })],
    ['without a nonce', /"nonce"/, () => provider.token({ nonce: undefined })],
    [
      'whose subject would break a line of the audit log',
      /subject/,
      () => provider.token({ sub: 'a\nb' }),
    ],
    [
      'with a group put in after it was signed',
      /signature/,
      () => {
        const [head, , signature] = provider.token({ groups: ['staff'] }).split('.');
        return `${head}.${provider.token().split('.')[1]}.${signature}`;
      },
    ],
  ])('ATTACKER: sends a token %s: 401', async (_title, reason, made) => {
    const { status, body } = await send(made());
    expect([status, body['detail']]).toEqual([401, expect.stringMatching(reason)]);
    expect(body['detail']).toContain('the ID token is refused');
  });

  it('ATTACKER: sends a token that was used, before and after its session ended, also with its signature written otherwise: 401', async () => {
    const token = provider.token();
    const { status, body } = await send(token);
    expect(status).toBe(200);
    expect((await send(token)).status).toBe(401);
    const rest = await product.rest();
    const out = await rest.post('/v1/logout', {}, { token: String(body['token']) });
    expect(out.status).toBe(204);
    const again = await send(token);
    expect([again.status, again.body['detail']]).toEqual([401, expect.stringContaining('used')]);
    // The last digit of 256 bytes in base64url carries bits that count for nothing.
    const others = [...'ABCDEFGHIJKLMNOP'].map((digit) => `${token.slice(0, -1)}${digit}`);
    for (const other of others) expect((await send(other)).status).toBe(401);
    // A further login clears away what has ended, and a control plane that was started anew remembers nothing itself.
    expect((await send(provider.token())).status).toBe(200);
    await product.stop();
    await product.start();
    const restarted = await send(token);
    expect([restarted.status, restarted.body['detail']]).toEqual([
      401,
      expect.stringContaining('used'),
    ]);
  });

  it('ATTACKER: many at once with one token: one gets a session', async () => {
    const token = provider.token();
    const answers = await Promise.all(Array.from({ length: 8 }, () => send(token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('ATTACKER: guesses on and on from one place: 429 for this place, others go on, and it is told', async () => {
    const from = '127.0.2.1';
    const statuses: number[] = [];
    for (let i = 0; i < 6; i += 1)
      statuses.push((await send(provider.token({ aud: 'x' }), 'n', from)).status);
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
    expect((await send(provider.token(), 'n', from)).status).toBe(429);
    expect((await send(provider.token())).status).toBe(200);
    await eventually('told', 90_000, async () => {
      const failed = (await auditLog()).filter(({ action }) => action === 'login.failed');
      return JSON.stringify(failed).includes(from) && JSON.stringify(failed).includes('oidc/bob');
    });
  });
});

describe('ATTACKER: somebody beside the browser', () => {
  it('ATTACKER: has a code of the past, and one of their own: neither enters a login that is under way', async () => {
    const past = await login('alice');
    expect(past.code).toBe(0);
    await product.must(['logout']);
    const { command, url } = await beginLogin();
    const loopback = new URL(new URL(url).searchParams.get('redirect_uri') ?? '');
    const replay = new URL(past.back);
    replay.port = loopback.port;
    expect(await visit(replay.href)).toBe(400);
    expect(await visit(loopback.href)).toBe(400);
    expect(command.child.exitCode).toBeNull();
    expect(await visit(await provider.signIn(url, 'alice'))).toBe(200);
    expect((await command.ended).code).toBe(0);
    await product.must(['logout']);
  });

  it('ATTACKER: knows the state and brings a code of another login: PKCE refuses it, nobody is logged in', async () => {
    const { command, url } = await beginLogin();
    const asked = new URL(url).searchParams;
    const own = new URL(url);
    const verifier = randomBytes(32).toString('base64url');
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    own.searchParams.set('code_challenge', challenge);
    const injected = new URL(await provider.signIn(own.href, 'carol'));
    expect(injected.searchParams.get('state')).toBe(asked.get('state'));
    expect(await visit(injected.href)).toBe(200);
    const { code, stderr } = await command.ended;
    expect([code, stderr]).toEqual([1, expect.stringContaining('the login failed')]);
    expect(await whoami()).toMatch(/^admin\n/);
  });

  it('ATTACKER: uses a code without the verifier, or a second time: the provider refuses it', async () => {
    const verifier = randomBytes(32).toString('base64url');
    const redirect = 'http://127.0.0.1:1/callback';
    const query = new URLSearchParams({
      ...{ client_id: CLIENT, response_type: 'code', scope: 'openid profile', nonce: 'n' },
      ...{ redirect_uri: redirect, code_challenge_method: 'S256', state: 's' },
      code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    });
    const exchange = async (code_verifier: string, back: string) =>
      provider.exchange({
        ...{ grant_type: 'authorization_code', client_id: CLIENT, redirect_uri: redirect },
        ...{ code: new URL(back).searchParams.get('code') ?? '', code_verifier },
      });
    const signIn = () => provider.signIn(`${provider.issuer}/auth?${query.toString()}`, 'alice');
    const other = randomBytes(32).toString('base64url');
    expect((await exchange(other, await signIn())).status).toBe(400);
    const back = await signIn();
    const statuses = [await exchange(verifier, back), await exchange(verifier, back)];
    expect(statuses.map(({ status }) => status)).toEqual([200, 400]);
  });
});

describe('ATTACKER: somebody whose group counts no more', () => {
  it('ATTACKER: keeps a session when the mapping is taken out of the configuration: 401 from the restart on', async () => {
    const { body } = await send(provider.token());
    const token = String(body['token']);
    const rest = await product.rest();
    expect((await rest.get('/v1/whoami', { token })).status).toBe(200);
    const file = join(product.dataDir, 'control-plane', 'control-plane.yaml');
    await writeFile(
      file,
      (await readFile(file, 'utf8')).replace('value: platform', 'value: nobody'),
    );
    await product.stop();
    await product.start();
    expect((await rest.get('/v1/whoami', { token })).status).toBe(401);
    expect((await send(provider.token())).status).toBe(403);
  });
});
