import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { EtcdStore, etcdKeys } from '#etcd';
import { ROLES, type Role } from '#contracts';
import { readFileSync } from 'node:fs';
import { Rig } from '../testing/rig.js';
import { eventually } from '../testing/eventually.js';
import type { ApiTokenRecord } from '../records/api-token.record.js';
import { decodeApiToken, makeBearer } from '../records/api-token.record.js';
import { permissionsOf, type Permission } from '../auth/permission.js';

/** They answer where the role has the permission, and do not end. */
const STREAMS: readonly string[] = ['/v1/alerts/stream', '/v1/watch/nodes'];

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

interface Operation {
  readonly 'x-hostward-needs'?: readonly Permission[];
  readonly 'x-hostward-public'?: string;
}

interface Route extends Operation {
  readonly method: string;
  readonly path: string;
}

/** Every route of the OpenAPI document, with names of things that are not there. */
async function routes(): Promise<readonly Route[]> {
  const { body } = await rig.rest.get('/v1/openapi.json');
  const paths = body['paths'] as unknown as Record<string, Record<string, Operation>>;
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...operation,
      method: method.toUpperCase(),
      path: path.replace('{seq}', '1').replaceAll(/\{[a-zA-Z]+\}/g, 'nothing-here'),
    })),
  );
}

/** An API token of these roles; also of none, which REST does not make. */
async function tokenOf(roles: readonly Role[], selector?: string): Promise<string> {
  if (roles.length > 0) {
    const made = await rig.rest.post('/v1/api-tokens', { name: 'test', roles, selector });
    expect([made.status, made.text]).toEqual([201, expect.any(String)]);
    return String(made.body['token']);
  }
  const { id, token, hash } = makeBearer();
  const record: ApiTokenRecord = {
    ...{ v: 1, id, kind: 'api', hash, name: 'none', roles: [] },
    ...{ expiresAt: '2999-01-01T00:00:00.000Z', at: '2026-01-01T00:00:00.000Z', by: 'test' },
  };
  await put(record);
  await eventually(
    'known',
    async () => (await rig.rest.get('/v1/whoami', { token })).status === 403,
  );
  return token;
}

async function put(record: ApiTokenRecord): Promise<void> {
  const [key, value] = [etcdKeys.apiToken(record.id), JSON.stringify(record)];
  await withEtcd((etcd) => etcd.transact({ then: [{ type: 'put', key, value }] }));
}

async function withEtcd<T>(act: (etcd: EtcdStore) => Promise<T>): Promise<T> {
  const { ca, cert, key } = rig.files.etcd;
  const etcd = EtcdStore.connect({
    hosts: [rig.etcd.url],
    credentials: { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) },
  });
  return act(etcd).finally(() => etcd.close());
}

const secret = (): string => randomBytes(18).toString('base64url');

describe('every route', () => {
  it('declares a permission, or why it is open', async () => {
    for (const route of await routes()) {
      const declared = route['x-hostward-needs'] ?? route['x-hostward-public'];
      expect([route.method, route.path, declared]).toEqual([
        route.method,
        route.path,
        expect.anything(),
      ]);
    }
  });

  it('takes a large body from those alone whom it knows: others are answered before they have sent it', async () => {
    for (const { method, path, ...route } of await routes()) {
      if (method === 'GET') continue;
      const status = route['x-hostward-public'] === undefined ? 401 : 413;
      expect([method, path, await announced(method, path)]).toEqual([method, path, status]);
    }
    expect(await announced('POST', '/v1/nothing')).toBe(413);
  });

  it('that is open reads JSON of few values alone, so that a stranger’s body holds nobody up', async () => {
    const open = (await routes()).filter(
      (route) => route.method === 'POST' && route['x-hostward-public'] !== undefined,
    );
    expect(open.length).toBeGreaterThan(3);
    const bodies = [
      Array.from({ length: 8_000 }, (_, at) => `${at}:\n`).join(''),
      JSON.stringify({ attestation: Array.from({ length: 20_000 }, () => ({})) }),
    ];
    const startedAt = performance.now();
    const sent = open.flatMap(({ path }) =>
      [...bodies, ...bodies].map((body) => rig.rest.post(path, body, { token: null })),
    );
    expect((await rig.rest.get('/healthz', { token: null })).status).toBe(200);
    for (const { status, text } of await Promise.all(sent))
      expect([status, text]).toEqual([400, expect.stringContaining('send JSON')]);
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    for (const body of bodies)
      expect((await rig.rest.post('/v1/nothing', body, { token: null })).status).toBe(404);
  });

  it('refuses who has no permission', async () => {
    const token = await tokenOf([]);
    for (const { method, path, ...route } of await routes()) {
      if (route['x-hostward-public'] !== undefined) continue;
      const answer = await rig.rest.call(method, path, { token, body: {} });
      expect([method, path, answer.status]).toEqual([method, path, 403]);
    }
  });

  it.each([...ROLES])('answers %s exactly where the role has the permission', async (role) => {
    const token = await tokenOf([role]);
    const scoped = await tokenOf([role], 'team=nobody');
    for (const { method, path, ...route } of await routes()) {
      const needs = route['x-hostward-needs'];
      if (needs === undefined || STREAMS.includes(path)) continue;
      for (const [shown, permissions] of [
        [token, permissionsOf([role], false)],
        [scoped, permissionsOf([role], true)],
      ] as const) {
        const answer = await rig.rest.call(method, path, { token: shown, body: bodyFor(path) });
        const may = needs.some((permission) => permissions.has(permission));
        expect([method, path, answer.status === 403, answer.status]).toEqual([
          method,
          path,
          !may,
          expect.any(Number),
        ]);
        expect(answer.status).not.toBe(401);
      }
    }
  });
});

/** What is answered to a stranger who says that a large body comes, and sends nothing of it. */
async function announced(method: string, path: string): Promise<number | undefined> {
  const headers = { 'content-type': 'application/json', 'content-length': 65_537 };
  const outgoing = request(`${rig.rest.url}${path}`, {
    ...{ method, headers, ca: readFileSync(rig.files.caFile), agent: false },
  });
  outgoing.flushHeaders();
  const [{ statusCode }] = (await once(outgoing, 'response')) as [IncomingMessage];
  await once(outgoing.on('error', () => undefined).destroy(), 'close');
  return statusCode;
}

/** Nothing, but where a caller with a scope may only name hosts of it. */
function bodyFor(path: string): object {
  return path === '/v1/join-tokens' ? { labels: { team: 'nobody' } } : {};
}

describe('a user', () => {
  it('logs in by its secret, is named in the audit log, and logs out', async () => {
    const word = secret();
    const body = { name: 'alice', roles: ['operator', 'author'], secret: word };
    const made = await rig.rest.post('/v1/users', body);
    expect([made.status, made.body]).toMatchObject([201, { name: 'alice', by: 'admin' }]);
    expect((await rig.rest.post('/v1/users', body)).status).toBe(409);
    const login = await rig.rest.post(
      '/v1/login',
      { user: 'alice', secret: word },
      { token: null },
    );
    expect([login.status, login.body['actor']]).toEqual([200, 'user/alice']);
    const token = String(login.body['token']);
    const who = await rig.rest.get('/v1/whoami', { token });
    expect(who.body).toMatchObject({ actor: 'user/alice', roles: ['operator', 'author'] });
    const policy = { body: undefined, token };
    expect((await rig.rest.get('/v1/users', policy)).status).toBe(403);
    expect((await rig.rest.post('/v1/logout', {}, { token })).status).toBe(204);
    expect((await rig.rest.get('/v1/whoami', { token })).status).toBe(401);
    const told = (await rig.rest.get('/v1/audit-log')).body['items'] as unknown as {
      action: string;
      actor: string;
      source: string;
    }[];
    for (const action of ['login', 'logout', 'GET /v1/users'])
      expect(told).toContainEqual(
        expect.objectContaining({ action, actor: 'user/alice', source: '127.0.0.1' }),
      );
    expect(JSON.stringify(told)).not.toContain(word);
    expect((await rig.rest.get('/v1/users/alice')).text).not.toContain('salt');
  });

  it('loses its sessions when it is deleted, also when it is made anew', async () => {
    const word = secret();
    const body = { name: 'bob', roles: ['viewer'], secret: word };
    await rig.rest.post('/v1/users', body);
    const login = await rig.rest.post('/v1/login', { user: 'bob', secret: word }, { token: null });
    const token = String(login.body['token']);
    expect((await rig.rest.delete('/v1/users/bob')).status).toBe(204);
    expect((await rig.rest.get('/v1/whoami', { token })).status).toBe(401);
    await rig.rest.post('/v1/users', body);
    expect((await rig.rest.get('/v1/whoami', { token })).status).toBe(401);
  });

  it('is refused with a short secret that no answer repeats', async () => {
    const body = { name: 'carol', roles: ['viewer'], secret: 'quitesecret' };
    const answer = await rig.rest.post('/v1/users', body);
    expect(answer.status).toBe(400);
    expect(answer.text).not.toContain('quitesecret');
  });

  it.each(['hostward.io/group=web', 'kubearmor.io/hostname=web1', 'a b c', ''])(
    'cannot have the scope %p',
    async (selector) => {
      const body = { name: 'dave', roles: ['viewer'], selector, secret: secret() };
      expect((await rig.rest.post('/v1/users', body)).status).toBe(400);
    },
  );
});

describe('a secret that is sent in a wrong form', () => {
  it.each([
    ['/v1/authorities/begin', 'privateKey'],
    ['/v1/sessions/oidc', 'idToken'],
    ['/v1/sessions/oidc', 'nonce'],
    ['/v1/login', 'secret'],
    ['/v1/enroll', 'token'],
  ])('to %s as %s is not repeated', async (path, field) => {
    const answer = await rig.rest.post(path, { [field]: ['needle-5d1'] });
    expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(field)]);
    expect(answer.text).not.toContain('needle-5d1');
  });
});

describe('the session of an ID token', () => {
  /** One that began so long ago, as etcd has it. */
  async function began(agoMs: number): Promise<string> {
    const { id, hash } = makeBearer();
    const at = new Date(Date.now() - agoMs).toISOString();
    await put({
      ...{ v: 1, id, kind: 'session', hash, name: 'oidc/alice', roles: [], by: 'oidc/alice' },
      ...{ oidc: { issuer: 'https://x', value: 'y' }, expiresAt: '2999-01-01T00:00:00.000Z', at },
    });
    return id;
  }

  /** Revokes it, and tells what revoking it again answers and until when it counts in etcd. */
  async function ended(id: string): Promise<readonly unknown[]> {
    const revoke = async () => (await rig.rest.delete(`/v1/api-tokens/${id}`)).status;
    await eventually('revoked', async () => (await revoke()) === 204);
    const found = await withEtcd((etcd) => etcd.get(etcdKeys.apiToken(id)));
    return [await revoke(), found && decodeApiToken(found.value).expiresAt];
  }

  it('ends at once and stays known as used while its token could be sent to another replica', async () => {
    expect(await ended(await began(0))).toEqual([404, '1970-01-01T00:00:00.000Z']);
  });

  it('is gone where its token is too old to be sent again', async () => {
    expect(await ended(await began(3_600_000))).toEqual([404, undefined]);
  });
});

describe('an API token', () => {
  it('says to the hour when it was last used, and counts until it is deleted or expires', async () => {
    const token = await tokenOf(['viewer']);
    const id = token.split('_')[1] ?? '';
    expect((await rig.rest.get('/v1/nodes', { token })).status).toBe(200);
    await eventually('last use', async () => {
      const { body } = await rig.rest.get(`/v1/api-tokens/${id}`);
      return /:00:00.000Z$/.test(String(body['lastUsedAt']));
    });
    expect((await rig.rest.get(`/v1/api-tokens/${id}`)).text).not.toContain(token);
    expect((await rig.rest.delete(`/v1/api-tokens/${id}`)).status).toBe(204);
    expect((await rig.rest.get('/v1/nodes', { token })).status).toBe(401);
    const made = await rig.rest.post('/v1/api-tokens', {
      ...{ name: 'short', roles: ['viewer'], ttlMs: 1_000 },
    });
    const short = String(made.body['token']);
    await eventually(
      'expired',
      async () => (await rig.rest.get('/v1/nodes', { token: short })).status === 401,
    );
  });
});
