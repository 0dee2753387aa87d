import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { appendFileSync } from 'node:fs';
import { freePort } from '#testing';
import { Rig } from '../testing/rig.js';

// What a provider says is tried by test/attack/oidc.attack-spec.ts; here there is none, or it is away.
let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

const login = () =>
  rig.rest.post('/v1/sessions/oidc', { idToken: 'a.b.c', nonce: 'n' }, { token: null });
const methods = () => rig.rest.get('/v1/login-methods', { token: null });

describe('a control plane', () => {
  it('without an identity provider says so, and lets nobody in by one', async () => {
    expect((await methods()).body).toEqual({ password: true });
    expect((await login()).status).toBe(404);
  });

  it('with one that is away starts, tells of it, answers 503, and brakes who asks on and on', async () => {
    const issuer = `https://127.0.0.1:${await freePort()}`;
    const oidc = `oidc: { issuer: "${issuer}", clientId: cli, roles: [{ value: web, roles: [viewer] }] }\n`;
    await rig.stopControlPlane();
    appendFileSync(rig.files.configFile, oidc);
    await rig.startControlPlane();
    await rig.ready();
    const told = {
      password: true,
      oidc: { issuer, clientId: 'cli', scopes: ['openid', 'profile'] },
    };
    expect((await methods()).body).toEqual(told);
    const first = await login();
    expect([first.status, first.text]).toEqual([503, expect.stringContaining('cannot be asked')]);
    const further = [await login(), await login(), await login(), await login(), await login()];
    expect(further.map(({ status }) => status)).toEqual([503, 503, 503, 503, 429]);
  });
});
