import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { etcdKeys } from '#etcd';
import { eventually } from './eventually.js';
import { Rig, blockPolicy, group } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

const MEANT = '?overrideUnreadable=true';
const apply = (query = '', path = '/usr/bin/nc') =>
  rig.rest.post(`/v1/apply${query}`, blockPolicy('p', path, { a: 'b' }));
const remove = (path: string, query = '') => rig.rest.call('DELETE', `/v1/${path}${query}`);

async function damage(key: string): Promise<void> {
  const etcd = rig.openEtcd();
  await etcd.transact({ then: [{ type: 'put', key, value: '{"v":2}' }] });
  etcd.close();
  await eventually('it is named', async () => (await readiness()).includes(key));
}

const readiness = async (): Promise<string> => (await rig.rest.get('/readyz')).text;
const wellAgain = (): Promise<unknown> =>
  eventually('all can be read', async () => (await readiness()).includes('all can be read'));

async function lastTold() {
  const { items } = (await rig.rest.get('/v1/audit-log')).body as unknown as {
    items: { action: string; detail?: { unreadable?: string[] } }[];
  };
  return items.map(({ action, detail }) => [action, detail?.unreadable]);
}

describe('a record that cannot be read', () => {
  it.each([
    ['of which nothing is known', false],
    ['of which it is known what was there before', true],
  ])('of a policy %s is deleted by who says so alone, and told of', async (_, isKnown) => {
    const key = etcdKeys.policy('p');
    if (isKnown) await apply();
    await damage(key);
    const refused = await remove('policies/p');
    expect([refused.status, refused.body['detail']]).toEqual([
      409,
      expect.stringMatching(/policy\/p cannot be read here.*overrideUnreadable=true/),
    ]);
    expect((await remove('policies/p', MEANT)).status).toBe(204);
    await wellAgain();
    expect(await lastTold()).toContainEqual(['policy.deleted', [key]]);
    expect((await rig.rest.get('/v1/policies/p')).status).toBe(404);
  });

  it('of a policy is replaced by an apply that says so, also by what was there before, under a new number', async () => {
    await apply();
    const before = await rig.rest.get('/v1/policies/p/history');
    await damage(etcdKeys.policy('p'));
    expect((await apply('', '/usr/bin/ncat')).body['detail']).toMatch(/cannot be read here/);
    expect((await apply(`${MEANT}&dryRun=true`)).status).toBe(200);
    expect((await apply(MEANT)).body).toMatchObject({ documents: [{ verdict: 'configured' }] });
    await wellAgain();
    expect(await lastTold()).toContainEqual(['apply', [etcdKeys.policy('p')]]);
    const versions = (each: typeof before) =>
      (each.body as unknown as { items: { version: number }[] }).items.map(
        ({ version }) => version,
      );
    const [newest = 0] = versions(before);
    expect(versions(await rig.rest.get('/v1/policies/p/history'))[0]).toBe(newest + 1);
  });

  it.each([
    ['groups/g', etcdKeys.group('g')],
    ['suspensions/s', etcdKeys.suspension('s')],
    ['exceptions/e', etcdKeys.exception('p', 'e')],
    ['nodes/n', etcdKeys.node('n')],
  ])('of %s is deleted likewise', async (path, key) => {
    await damage(key);
    expect((await remove(path)).status).toBe(409);
    expect((await remove(path, MEANT)).status).toBe(204);
    await wellAgain();
    expect((await lastTold()).some(([, unreadable]) => unreadable?.includes(key))).toBe(true);
  });

  it("may be for any host and of any tier, and is nobody else's to delete or replace", async () => {
    await damage(etcdKeys.policy('p'));
    for (const order of [
      { name: 'scoped', roles: ['author', 'approver'], selector: 'a=b' },
      { name: 'author', roles: ['author'] },
    ]) {
      const made = await rig.rest.post('/v1/api-tokens', order);
      const as = { token: String(made.body['token']) };
      const text = blockPolicy('p', '/usr/bin/nc', { a: 'b' });
      const deleted = await rig.rest.call('DELETE', `/v1/policies/p${MEANT}`, as);
      const applied = await rig.rest.post(`/v1/apply${MEANT}`, text, as);
      expect([deleted.status, applied.status]).toEqual([403, 403]);
      expect(deleted.text).not.toContain('cannot be read here');
    }
    expect((await remove('policies/p', MEANT)).status).toBe(204);
    await wellAgain();
  });

  it('of a group is replaced by an apply that says so', async () => {
    await damage(etcdKeys.group('g'));
    const text = group('g', { a: 'b' });
    expect((await rig.rest.post('/v1/apply', text)).status).toBe(409);
    expect((await rig.rest.post(`/v1/apply${MEANT}`, text)).status).toBe(200);
    await wellAgain();
  });
});
