import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Rig, blockPolicy, group } from './rig.js';
import { eventually } from './eventually.js';

/** What is waited for comes at once or, on a machine with other work, much later. */

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

const status = async (policy: string) => (await rig.rest.get(`/v1/policies/${policy}/status`)).body;

describe('a policy on its path', () => {
  it('goes from apply to a host’s own verification, and back to a truthful status', async () => {
    const web = await rig.host('web1', { env: 'prod' });
    const policy = blockPolicy('block-sleep', '/usr/bin/sleep', { env: 'prod' });
    const applied = await rig.rest.post('/v1/apply', policy);
    expect(applied.body).toMatchObject({
      documents: [{ verdict: 'created', selectedNodes: 1, kind: 'KubeArmorHostPolicy' }],
    });
    await web.receives('block-sleep');
    // The host may have read it before Redis has answered the control plane.
    await eventually('delivered', async () => {
      const { nodes } = (await status('block-sleep')) as unknown as { nodes: { state: string }[] };
      return nodes[0]?.state === 'delivered';
    });
    expect(await status('block-sleep')).toMatchObject({ enforcedEverywhere: false });
    await web.report('enforced');
    await eventually('enforced', async () => (await status('block-sleep'))['enforcedEverywhere']);
    await web.report('failed');
    await eventually('failed', async () => {
      const { nodes } = (await status('block-sleep')) as unknown as { nodes: { state: string }[] };
      return nodes[0]?.state === 'failed';
    });
    expect((await rig.rest.get('/v1/nodes/web1')).body).toMatchObject({
      phase: 'enrolled',
      connected: true,
      enforcer: 'observe',
      policies: 1,
    });
    await rig.rest.delete('/v1/policies/block-sleep');
    await web.receives();
    expect((await rig.rest.get('/v1/policies/block-sleep')).status).toBe(404);
  });

  it('is re-targeted at once by a label, by a group, and for a late joiner', async () => {
    const db = await rig.host('db1', { tier: 'db' });
    const documents = [
      blockPolicy('by-label', '/usr/bin/nc', { tier: 'web' }),
      blockPolicy('by-group', '/usr/bin/nmap', { 'hostward.io/group': 'databases' }),
    ].join('---\n');
    await rig.rest.post('/v1/apply', documents);
    await db.receives();
    await rig.rest.put('/v1/groups/databases', group('databases', { tier: 'db' }));
    await db.receives('by-group');
    await rig.rest.call('PATCH', '/v1/nodes/db1/labels', { body: { labels: { tier: 'web' } } });
    await db.receives('by-label');
    const late = await rig.host('db2', { tier: 'db' });
    await late.receives('by-group');
    expect((await rig.rest.get('/v1/groups/databases/members')).body['items']).toEqual(['db2']);
    await rig.rest.delete('/v1/groups/databases');
    await late.receives();
  });

  it('leaves web10 untouched when web1 is offboarded', async () => {
    const ten = await rig.host('web10', { env: 'prod' });
    await rig.rest.post('/v1/apply', blockPolicy('keep', '/usr/bin/nc', { env: 'prod' }));
    const before = await ten.receives('keep');
    const one = await rig.host('web1x', { env: 'prod' });
    await one.receives('keep');
    expect((await rig.rest.delete('/v1/nodes/web1x')).status).toBe(204);
    await eventually('gone', async () => !(await rig.isServed(one)));
    expect((await rig.rest.get('/v1/nodes/web10')).status).toBe(200);
    expect((await ten.fetch())?.assignment.generation).toBe(before.assignment.generation);
    await rig.rest.delete('/v1/policies/keep');
    await ten.receives();
  });
});
