import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createCsr } from '#pki';
import { eventually } from './eventually.js';
import { Rig } from './rig.js';
import { TestHost } from './test-host.js';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

async function token(body: object = {}): Promise<string> {
  return String((await rig.rest.post('/v1/join-tokens', body)).body['token']);
}

async function usesLeft(joinToken: string): Promise<number> {
  const id = joinToken.split('_')[1] ?? '';
  return Number((await rig.rest.get(`/v1/join-tokens/${id}`)).body['usesLeft']);
}

describe('a join token', () => {
  it('lets in exactly as many hosts as it says when a hundred come at once', async () => {
    const joinToken = await token({ uses: 37, labels: { fleet: 'big' } });
    const hosts = Array.from(
      { length: 100 },
      (_, index) => new TestHost(`many-${index}`, rig.rest),
    );
    const answers = await Promise.all(hosts.map((host) => host.enrollAtLast(joinToken)));
    const others = answers.filter(({ status }) => status !== 200 && status !== 403);
    expect(others.map(({ status, text }) => [status, text])).toEqual([]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(37);
    expect(await usesLeft(joinToken)).toBe(0);
    const nodes = (await rig.rest.get('/v1/nodes?selector=fleet=big&limit=1000')).body[
      'items'
    ] as unknown as unknown[];
    expect(nodes).toHaveLength(37);
  });

  it('is not counted again for a retry with the same keys, also when it is used up', async () => {
    const joinToken = await token();
    const host = new TestHost('retrying', rig.rest);
    const first = await host.enroll(joinToken);
    const again = await host.enroll(joinToken);
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.body['nodeId']).toBe(first.body['nodeId']);
    expect(await usesLeft(joinToken)).toBe(0);
  });

  it('is kept as a hash and never shown again', async () => {
    const joinToken = await token({ labels: { a: 'b' } });
    const listed = await rig.rest.get('/v1/join-tokens?limit=1000');
    expect(listed.text).not.toContain(joinToken.slice(-20));
    expect(listed.text).not.toContain('hash');
    expect((await rig.rest.get('/v1/audit-log')).text).not.toContain(joinToken.slice(-20));
  });

  it('lets nobody in when it is wrong, deleted or not there', async () => {
    const joinToken = await token();
    const wrong = `${joinToken.slice(0, -1)}${joinToken.endsWith('A') ? 'B' : 'A'}`;
    const host = new TestHost('stranger', rig.rest);
    expect((await host.enroll(wrong)).status).toBe(401);
    expect((await host.enroll('nonsense')).status).toBe(401);
    expect((await host.enroll(`hwj_${'0'.repeat(16)}_${'A'.repeat(43)}`)).status).toBe(401);
    expect(await usesLeft(joinToken)).toBe(1);
    const id = joinToken.split('_')[1] ?? '';
    expect((await rig.rest.delete(`/v1/join-tokens/${id}`)).status).toBe(204);
    expect((await host.enroll(joinToken)).status).toBe(401);
    expect((await rig.rest.get('/v1/nodes/stranger')).status).toBe(404);
  });

  it.each(['one', 'another', 'a third'])(
    'can be deleted while many come by it (%s)',
    async (name) => {
      const joinToken = await token({ uses: 60 });
      const id = joinToken.split('_')[1] ?? '';
      const hosts = Array.from({ length: 60 }, (_, index) => `${name}-${index}`.replace(' ', '-'));
      const answers = Promise.all(
        hosts.map((host) => new TestHost(host, rig.rest).enroll(joinToken)),
      );
      await eventually('some have come', async () => (await usesLeft(joinToken)) < 50);
      expect((await rig.rest.delete(`/v1/join-tokens/${id}`)).status).toBe(204);
      const statuses = (await answers).map(({ status }) => status);
      expect(new Set(statuses)).toEqual(new Set([200, 401]));
    },
  );
});

describe('enrolment', () => {
  it('refuses a request that the keys in it did not sign, and costs no use', async () => {
    const joinToken = await token();
    const host = new TestHost('forged', rig.rest);
    const { csrPem: csr } = await createCsr();
    const forgeries = [{ csr }, { name: 'other' }, { sealingKey: `${'A'.repeat(43)}=` }];
    for (const over of forgeries) {
      const answer = await rig.rest.post('/v1/enroll', await host.request(joinToken, over), {
        token: null,
      });
      expect([over, answer.status]).toEqual([over, 400]);
    }
    expect(await usesLeft(joinToken)).toBe(1);
  });

  it('does not give the name of one host to another, nor one host two names', async () => {
    const joinToken = await token({ uses: 5 });
    const owner = new TestHost('taken', rig.rest);
    expect((await owner.enroll(joinToken)).status).toBe(200);
    expect((await new TestHost('taken', rig.rest).enroll(joinToken)).status).toBe(409);
    const { nodeId } = owner;
    expect((await rig.rest.get('/v1/nodes/taken')).body['nodeId']).toBe(nodeId);
    expect(await usesLeft(joinToken)).toBe(4);
  });

  it('keeps the labels that were declared for the host and adds those of the token', async () => {
    const document = { apiVersion: 'security.kubearmor.com/v1', kind: 'KubeArmorVirtualMachine' };
    const metadata = { name: 'declared', labels: { env: 'prod' } };
    const put = await rig.rest.put('/v1/nodes/declared', { ...document, metadata });
    expect([put.status, put.body['phase']]).toEqual([201, 'declared']);
    const host = new TestHost('declared', rig.rest);
    await host.enroll(await token({ labels: { env: 'dev', zone: 'a' } }));
    expect((await rig.rest.get('/v1/nodes/declared')).body).toMatchObject({
      labels: { env: 'prod', zone: 'a' },
      phase: 'enrolled',
    });
  });

  it('gives a revoked host nothing, not even under its old keys', async () => {
    const host = await rig.host('revoked');
    await host.receives();
    const revoked = await rig.rest.post('/v1/nodes/revoked/revoke', { reason: 'stolen' });
    expect(revoked.body).toMatchObject({ phase: 'revoked', revocation: { reason: 'stolen' } });
    await eventually('taken away', async () => !(await rig.isServed(host)));
    const again = await host.enroll(await token());
    expect([again.status, again.text]).toEqual([403, expect.stringContaining('stolen')]);
  });

  it('lets a machine that was offboarded come back with new keys only', async () => {
    const host = await rig.host('returning');
    await host.receives();
    await rig.rest.delete('/v1/nodes/returning');
    const again = await host.enroll(await token());
    expect([again.status, again.text]).toEqual([403, expect.stringContaining('was offboarded')]);
    await (await rig.host('returning')).receives();
  });

  it('takes a new secret for Redis beside the old one, and no third so soon', async () => {
    const host = await rig.host('rotating');
    await host.receives();
    const [before] = [rig.connectionOf(host)];
    await eventually('in with the first', () => before.connected);
    host.changeRedisSecret();
    expect((await host.enroll('')).status).toBe(200);
    expect((await host.enroll('')).status).toBe(200);
    const after = rig.connectionOf(host);
    await eventually('in with the second', () => after.connected);
    expect(before.counters.disconnects).toBe(0);
    host.changeRedisSecret();
    expect((await host.enroll('')).status).toBe(429);
    const auditLog = await rig.rest.get('/v1/audit-log?limit=1');
    expect(auditLog.text).toContain('node.redis-secret-rotated');
  });
});

describe('a host that is cut off from Redis', () => {
  it('is told why where it asks over HTTPS, and is let in again by an operator before its time', async () => {
    const host = await rig.host('reinstated');
    await host.receives();
    expect((await rig.rest.post('/v1/nodes/reinstated/reinstate')).status).toBe(409);
    await host.link.writeState(Buffer.alloc(7 * 1024 * 1024));
    const node = async () => (await rig.rest.get('/v1/nodes/reinstated')).body;
    await eventually('cut off', async () => (await node())['phase'] === 'cut-off');
    const told = await host.enroll('');
    expect([told.status, told.text]).toEqual([
      403,
      expect.stringMatching(/kept from Redis until .*bytes.*hostward node reinstate reinstated/),
    ]);
    const { body } = await rig.rest.post('/v1/nodes/reinstated/reinstate');
    expect(body).toMatchObject({ phase: 'enrolled' });
    const again = rig.connectionOf(host);
    await eventually('in again', () => again.connected);
    expect((await host.enroll('')).status).toBe(200);
    const auditLog = await rig.rest.get('/v1/audit-log?limit=5');
    expect(auditLog.text).toContain('"node.reinstated"');
  });
});
