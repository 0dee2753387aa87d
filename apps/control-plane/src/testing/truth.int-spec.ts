import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { redisKeys } from '#contracts';
import { Rig, blockPolicy } from './rig.js';
import { eventually } from './eventually.js';
import type { TestHost } from './test-host.js';

/** Ways to a status that is not true, each tried on real parts. */
/** What is waited for comes at once or, on a machine with other work, much later. */

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

interface Status {
  readonly revision: string;
  readonly enforcedEverywhere: boolean;
  readonly nodes: readonly { readonly state: string; readonly conditions: readonly string[] }[];
}
const status = async (policy: string): Promise<Status> =>
  (await rig.rest.get(`/v1/policies/${policy}/status`)).body as unknown as Status;
const enforced = (policy: string) =>
  eventually(`${policy} is enforced`, async () => (await status(policy)).enforcedEverywhere);
const states = async (policy: string) => (await status(policy)).nodes.map(({ state }) => state);
const apply = (policy: string, labels: Record<string, string>, path = '/usr/bin/nc') =>
  rig.rest.post('/v1/apply', blockPolicy(policy, path, labels));

async function enforcing(name: string): Promise<TestHost> {
  const host = await rig.host(name, { of: name });
  await apply(name, { of: name });
  await host.receives(name);
  await host.report();
  await enforced(name);
  return host;
}

describe('a status', () => {
  it('of an old revision is not shown for a new one', async () => {
    const host = await enforcing('revised');
    const { revision } = await status('revised');
    await apply('revised', { of: 'revised' }, '/usr/bin/ncat');
    const now = await status('revised');
    expect(BigInt(now.revision)).toBeGreaterThan(BigInt(revision));
    expect(now.enforcedEverywhere).toBe(false);
    await host.report();
    await eventually('the new revision', async () => {
      return (await host.fetch())?.policies[0]?.revision === now.revision;
    });
    expect((await status('revised')).enforcedEverywhere).toBe(false);
    await host.report();
    await enforced('revised');
  });

  it.each([
    ['deleted', () => rig.rest.delete('/v1/policies/ending-deleted')],
    ['paused', () => rig.rest.post('/v1/policies/ending-paused/pause', {})],
    ['elsewhere', () => apply('ending-elsewhere', { of: 'nobody' })],
  ])('of a policy that is %s names the host until that reported without it', async (how, end) => {
    const name = `ending-${how}`;
    const host = await enforcing(name);
    const remains = async (): Promise<unknown> => {
      const { body } = await rig.rest.get(`/v1/policies/${name}/remains`);
      const nodes = body['nodes'] as unknown as readonly { node: string; reason: string }[];
      expect(body).toMatchObject({ policy: name, complete: true });
      return nodes.find(({ node }) => node === name)?.reason;
    };
    expect(await remains()).toBeUndefined();
    expect((await end()).status).toBeLessThan(300);
    expect(await remains()).toEqual(expect.any(String));
    await host.receives();
    expect(await remains()).toBe('the host has it still');
    await host.report();
    await eventually('it is gone', async () => (await remains()) === undefined);
  });

  it('of a host that was offboarded is not that of its successor of the same name', async () => {
    const before = await enforcing('again');
    const key = redisKeys.state(before.nodeId);
    const old = await rig.adminRedis.run('keeping', (redis) => redis.getBuffer(key));
    await rig.rest.delete('/v1/nodes/again');
    const after = await rig.host('again', { of: 'again' });
    await after.receives('again');
    // The host may have read it before Redis has answered the control plane.
    await eventually('delivered', async () => (await states('again'))[0] === 'delivered');
    await rig.adminRedis.run('playing back', async (redis) => {
      await redis.set(key, old ?? '');
      await redis.publish(
        redisKeys.bell(0),
        JSON.stringify({ node: before.nodeId, what: 'state' }),
      );
    });
    await expect(before.report()).rejects.toThrow();
    expect(await states('again')).toEqual(['delivered']);
    await after.report();
    await enforced('again');
  });

  it('does not come from a report of another host, nor from one that is played back', async () => {
    const [one, other] = [await enforcing('one'), await enforcing('other')];
    const key = redisKeys.state(one.nodeId);
    const good = await rig.adminRedis.run('keeping', (redis) => redis.getBuffer(key));
    const foreign = await rig.adminRedis.run('reading', (redis) =>
      redis.getBuffer(redisKeys.state(other.nodeId)),
    );
    await one.report('failed');
    await eventually('failed', async () => (await states('one'))[0] === 'failed');
    const played = rig.lines.length;
    for (const sealed of [good, foreign]) {
      await rig.adminRedis.run('playing back', async (redis) => {
        await redis.set(key, sealed ?? '');
        await redis.publish(redisKeys.bell(0), JSON.stringify({ node: one.nodeId, what: 'state' }));
      });
    }
    await eventually('the foreign one was refused', () =>
      rig.lines.slice(played).some((line) => line.includes('a report was refused')),
    );
    expect(await states('one')).toEqual(['failed']);
  });

  it('of a policy that was paused, deleted and made again is that of the new one, which is not paused', async () => {
    const host = await enforcing('phoenix');
    await rig.rest.post('/v1/policies/phoenix/pause');
    await host.receives();
    await rig.rest.delete('/v1/policies/phoenix');
    expect((await rig.rest.get('/v1/policies/phoenix/status')).status).toBe(404);
    await apply('phoenix', { of: 'phoenix' });
    expect((await status('phoenix')).enforcedEverywhere).toBe(false);
    await host.receives('phoenix');
    await host.report();
    await enforced('phoenix');
  });

  it('counts a host from the moment a label makes the policy select it', async () => {
    await enforcing('labelled');
    const late = await rig.host('late');
    const patch = await rig.rest.call('PATCH', '/v1/nodes/late/labels', {
      body: { labels: { of: 'labelled' } },
    });
    expect(patch.status).toBe(200);
    const now = await status('labelled');
    expect([now.enforcedEverywhere, now.nodes.length]).toEqual([false, 2]);
    await late.receives('labelled');
    await late.report();
    await enforced('labelled');
  });

  it('says that an exception holds, and is whole again when it has ended', async () => {
    const host = await enforcing('strict');
    const made = await rig.rest.post('/v1/exceptions', {
      policy: 'strict',
      selector: 'of=strict',
      until: new Date(Date.now() + 3_600_000).toISOString(),
      reason: 'maintenance',
    });
    const { id, madePolicy } = made.body as unknown as { id: string; madePolicy: string };
    await host.receives('strict', madePolicy);
    await host.report();
    await eventually('excepted', async () => (await states('strict'))[0] === 'delivered');
    rig.redisLink.cut();
    await rig.rest.delete(`/v1/exceptions/${id}`);
    expect((await status('strict')).enforcedEverywhere).toBe(false);
    rig.redisLink.restore();
    await host.receives('strict');
    await host.report();
    await enforced('strict');
  });

  it('stays suspended while the end of a suspension cannot be delivered, and is whole after it', async () => {
    const host = await enforcing('broken-glass');
    const made = await rig.rest.post('/v1/suspensions', {
      target: { node: 'broken-glass' },
      mode: 'audit',
      until: new Date(Date.now() + 3_600_000).toISOString(),
      reason: 'incident',
    });
    expect(made.status).toBe(201);
    await eventually('ordered', async () => (await host.fetch())?.assignment.suspension);
    await host.report();
    const suspended = async () =>
      (await status('broken-glass')).nodes[0]?.conditions.includes('suspended');
    await eventually('suspended', suspended);
    rig.redisLink.cut();
    await rig.rest.delete(`/v1/suspensions/${String(made.body['id'])}`);
    expect(await suspended()).toBe(true);
    rig.redisLink.restore();
    await eventually('ended', async () => !(await host.fetch())?.assignment.suspension);
    await host.report();
    await enforced('broken-glass');
  });

  it('is one for names that differ in case only, since they name one policy', async () => {
    await enforcing('cased');
    const twice = [
      blockPolicy('Cased', '/usr/bin/nc', {}),
      blockPolicy('cased', '/usr/bin/nc', {}),
    ];
    expect((await rig.rest.post('/v1/apply', twice.join('---\n'))).status).toBe(422);
    await apply('Cased', { of: 'cased' }, '/usr/bin/ncat');
    expect((await status('cased')).enforcedEverywhere).toBe(false);
  });
});
