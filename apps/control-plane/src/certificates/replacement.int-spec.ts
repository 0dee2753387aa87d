import { readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AuthoritiesView, TrustedByControlPlane } from '#contracts';
import { createAuthority, fingerprint, isIssuedBy } from '#pki';
import { eventually } from '../testing/eventually.js';
import type { Answer } from '../testing/rest.js';
import { Rig } from '../testing/rig.js';
import { TestHost } from '../testing/test-host.js';

let rig: Rig;
let host: TestHost;
beforeAll(async () => {
  rig = await Rig.start();
  host = await rig.host('web1');
});
afterAll(() => rig.stop());

const step = (name: string, body: object = {}): Promise<Answer> =>
  rig.rest.post(`/v1/authorities/${name}`, body);
const view = async (): Promise<AuthoritiesView> =>
  (await rig.rest.get('/v1/authorities')).body as unknown as AuthoritiesView;
const trusted = async (): Promise<string[]> =>
  (await view()).authorities.map(({ fingerprint: each }) => each);

/** What a host says by the certificate that it has, or by none. */
async function says(fingerprints: readonly string[], identity: object = host.tlsIdentity) {
  const ca = readFileSync(rig.files.caFile);
  const headers = { 'content-type': 'application/json' };
  const to = { method: 'POST', headers, ca, agent: false, ...identity };
  return new Promise<{ status: number; body: TrustedByControlPlane }>((resolve, reject) => {
    const outgoing = request(new URL('/v1/authorities/trusted', rig.rest.url), to, (answer) => {
      void text(answer).then((body) =>
        resolve({
          status: answer.statusCode ?? 0,
          body: JSON.parse(body) as TrustedByControlPlane,
        }),
      );
    });
    outgoing.once('error', reject);
    outgoing.end(JSON.stringify({ trusted: fingerprints }));
  });
}

describe('the replacement of the CA', () => {
  it('is not begun with what can be no authority, and tells which half it is', async () => {
    const good = await createAuthority({ name: 'good', days: 1 });
    for (const [body, field] of [
      [{ certificate: 'x', privateKey: 'y' }, 'certificate'],
      [{ certificate: good.certificatePem }, 'privateKey'],
      [{ privateKey: good.privateKeyPem }, 'certificate'],
      [{ certificate: good.certificatePem, privateKey: 'y' }, 'privateKey'],
    ] as const) {
      const answer = await step('begin', body);
      expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(field)]);
      expect(answer.text).not.toContain('PRIVATE KEY-----');
    }
    expect((await view()).phase).toBe('settled');
  });

  it('takes its steps in their order only', async () => {
    for (const name of ['switch', 'finish', 'abort'])
      expect([name, (await step(name)).status]).toEqual([name, 409]);
  });

  it('waits with the switch until each host has said that it trusts both', async () => {
    expect((await step('begin')).body).toMatchObject({ phase: 'begun', hostsBehind: 1 });
    const [first = '', next = ''] = await trusted();
    const refused = await step('switch');
    expect([refused.status, refused.text]).toEqual([409, expect.stringContaining('web1')]);
    const told = await says([first]);
    expect(told).toMatchObject({ status: 200, body: { issuing: first } });
    expect(told.body.authorities.map((each) => fingerprint(each))).toEqual([first, next]);
    expect((await step('switch')).status).toBe(409);
    await says([first, next]);
    expect((await step('switch')).body).toMatchObject({ phase: 'switched', hostsBehind: 0 });
    expect(await trusted()).toEqual([next, first]);
  });

  it('waits with the end until nothing of ours is of the CA before', async () => {
    const refused = await step('finish');
    expect([refused.status, refused.text]).toEqual([409, expect.stringContaining('CA before')]);
    await rig.initAgain();
    expect((await step('finish')).body).toMatchObject({ phase: 'settled', renewed: true });
    expect(await trusted()).toHaveLength(1);
  });

  it('believes a host by no certificate of the CA before, and gives it another one', async () => {
    expect((await says(await trusted())).status).toBe(401);
    // The same host, which believes the next CA.
    host = new TestHost(host.name, rig.rest, host);
    const answer = await host.enroll('');
    const authority = readFileSync(rig.files.authorityFile, 'utf8');
    expect([answer.status, answer.body['ca']]).toEqual([200, authority]);
    expect(isIssuedBy(String(answer.body['certificate']), authority)).toBe(true);
    expect((await says(await trusted())).status).toBe(200);
    expect((await view()).hostsBehind).toBe(0);
  });

  it('believes nobody without a certificate, and no host that is revoked', async () => {
    expect((await says([], {})).status).toBe(401);
    const gone = await rig.host('gone');
    await rig.rest.post('/v1/nodes/gone/revoke', { reason: 'stolen' });
    expect((await says([], gone.tlsIdentity)).status).toBe(403);
  });

  it('leaves hosts behind where an operator says so, which the audit log names; and is taken back', async () => {
    await rig.host('late');
    const own = await createAuthority({ name: 'own', days: 30 });
    const given = { certificate: own.certificatePem, privateKey: own.privateKeyPem };
    expect((await step('begin', given)).status).toBe(200);
    expect((await step('abort')).body).toMatchObject({ phase: 'settled' });
    expect((await step('begin', given)).status).toBe(200);
    expect((await step('switch', { leaveBehind: true })).status).toBe(200);
    expect((await trusted())[0]).toBe(fingerprint(own.certificatePem));
    const auditLog = (await rig.rest.get('/v1/audit-log?limit=100')).text;
    expect(auditLog).toMatch(/authority\.switched[^}]*leftBehind":\["late","web1"\]/);
    expect(auditLog).not.toContain('PRIVATE KEY');
  });

  it('ends where the file of the CA before is taken away, as a copy from another control plane does', async () => {
    expect((await view()).phase).toBe('switched');
    rmSync(join(dirname(rig.files.authorityFile), 'authority-previous.pem'));
    await eventually('settled', async () => (await view()).phase === 'settled');
    expect(await trusted()).toHaveLength(1);
  });
});
