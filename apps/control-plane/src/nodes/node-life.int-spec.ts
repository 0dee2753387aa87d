import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { decodeEnvelope } from '#bundle';
import { redisKeys } from '#contracts';
import { eventually } from '../testing/eventually.js';
import { EtcdLedger } from '../store/etcd-ledger.js';
import type { Answer } from '../testing/rest.js';
import { Rig, blockPolicy } from '../testing/rig.js';
import { TestHost } from '../testing/test-host.js';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
  await rig.rest.post('/v1/apply', blockPolicy('p', '/usr/bin/nc', { tier: 'web' }));
});
afterAll(() => rig.stop());

const tokenFor = async (body: Record<string, unknown>): Promise<string> =>
  String((await rig.rest.post('/v1/join-tokens', body)).body['token']);
const view = async (name: string): Promise<Record<string, unknown>> =>
  (await rig.rest.get(`/v1/nodes/${name}`)).body;

const suspend = async (node: string): Promise<void> => {
  const until = new Date(Date.now() + 3_600_000).toISOString();
  const order = { target: { node }, mode: 'off', until, reason: 'drained' };
  expect((await rig.rest.post('/v1/suspensions', order)).status).toBe(201);
};
const suspended = async (): Promise<readonly unknown[]> => {
  const { body } = await rig.rest.get('/v1/suspensions');
  const { items } = body as unknown as {
    readonly items: readonly { readonly target: { readonly node: string } }[];
  };
  return items.map(({ target }) => target.node);
};

describe('a host that is renamed', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await rig.host('old1', { tier: 'web' });
    await host.receives('p');
  });

  it('keeps its identity, its labels, its policies, and its place on Redis', async () => {
    await suspend('old1');
    await host.report();
    await eventually('its report counts', async () => (await view('old1'))['connected'] === true);
    const answer = await rig.rest.post('/v1/nodes/old1/rename', { to: 'new1' });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      name: 'new1',
      nodeId: host.nodeId,
      labels: { tier: 'web' },
      policies: 1,
      // By what it had reported before.
      connected: true,
    });
    expect((await rig.rest.get('/v1/nodes/old1')).status).toBe(404);
    const { asOf } = await host.report();
    await eventually('its next report counts', async () => (await view('new1'))['asOf'] === asOf);
    expect(await rig.isServed(host)).toBe(true);
  });

  it('stays suspended, where it was suspended by its name', async () => {
    expect(await suspended()).toEqual(['new1']);
    await eventually('it has it', async () => (await host.fetch())?.assignment.suspension);
  });

  it('renews its certificate without a token under the name that it knows', async () => {
    expect((await host.enroll('')).status).toBe(200);
    expect((await rig.rest.get('/v1/nodes/old1')).status).toBe(404);
  });

  it('may be renamed again, and leaves its first name to another machine', async () => {
    await rig.rest.post('/v1/nodes/new1/rename', { to: 'newer1' });
    const other = await rig.host('old1');
    expect((await view('old1'))['nodeId']).toBe(other.nodeId);
    expect((await host.enroll('')).status).toBe(200);
    expect((await view('newer1'))['nodeId']).toBe(host.nodeId);
  });

  it('does not get a name that is taken, nor one that is none, and a stale writer changes nothing', async () => {
    const taken = await rig.rest.post('/v1/nodes/newer1/rename', { to: 'old1' });
    expect([taken.status, taken.text]).toEqual([409, expect.stringContaining('is taken')]);
    expect((await rig.rest.post('/v1/nodes/newer1/rename', { to: 'A/b' })).status).toBe(400);
    expect((await rig.rest.post('/v1/nodes/nobody/rename', { to: 'x' })).status).toBe(404);
    const stale = await rig.rest.post(
      '/v1/nodes/newer1/rename',
      { to: 'x' },
      { headers: { 'if-match': '"1"' } },
    );
    expect(stale.status).toBe(412);
  });
});

describe('a machine that is replaced', () => {
  let old: TestHost;
  beforeAll(async () => {
    old = await rig.host('web7', { tier: 'web' });
    await old.receives('p');
  });

  it('is not believed any more, and leaves its name and labels to the next one', async () => {
    await suspend('web7');
    const answer = await rig.rest.post('/v1/nodes/web7/replace', {});
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ phase: 'declared', labels: { tier: 'web' } });
    const refused = await old.enroll('');
    expect([refused.status, refused.text]).toEqual([
      403,
      expect.stringContaining('another machine took its place'),
    ]);
    await eventually('its assignment is gone', async () => !(await rig.isServed(old)));
    // It was of that machine: the next one is not to come up with enforcement off.
    expect(await suspended()).toEqual(['newer1']);
  });

  it('lets only a machine of that name in by a token that is bound to it', async () => {
    const token = await tokenFor({ node: 'web7' });
    const stranger = await new TestHost('web8', rig.rest).enroll(token);
    expect([stranger.status, stranger.text]).toEqual([
      403,
      expect.stringContaining('for the host web7'),
    ]);
    const next = new TestHost('web7', rig.rest);
    expect((await next.enroll(token)).status).toBe(200);
    expect(await view('web7')).toMatchObject({ nodeId: next.nodeId, labels: { tier: 'web' } });
    next.attach(rig.connectionOf(next));
    await next.receives('p');
  });

  it('is one that has enrolled: a name alone has no machine to replace', async () => {
    await rig.rest.post('/v1/nodes/web7/replace', {});
    expect((await rig.rest.post('/v1/nodes/web7/replace', {})).status).toBe(409);
  });

  it('is recorded in the audit log, with the identity that ended', async () => {
    const { text } = await rig.rest.get('/v1/audit-log?limit=200');
    expect(text).toContain('"node.replaced"');
    expect(text).toContain(old.nodeId);
    expect(text.match(/"node\.renamed"/g)).toHaveLength(2);
  });
});

it('a host that is offboarded leaves nothing on Redis', async () => {
  const host = await rig.host('leaver', { tier: 'web' });
  await host.receives('p');
  await host.report();
  expect((await rig.rest.delete('/v1/nodes/leaver')).status).toBe(204);
  await eventually('nothing of it is there', () =>
    rig.adminRedis.run('looking', async (client) => {
      const keys = await client.keys(redisKeys.assignment(host.nodeId).replace(/asg$/, '*'));
      const users = await client.acl('USERS');
      return keys.length === 0 && !users.some((user) => user.includes(host.nodeId));
    }),
  );
});

it('a host that reaches no network is given by a file what Redis holds for it, and nobody else reads that', async () => {
  const host = await rig.host('island', { tier: 'web' });
  await host.receives('p');
  const answer = await rig.rest.get('/v1/nodes/island/bundle');
  const { record, bundle } = decodeEnvelope(Buffer.from(answer.text));
  const held = await rig.adminRedis.run('looking', (client) =>
    client.getBuffer(redisKeys.bundle(record.bundleDigest)),
  );
  expect(held?.equals(bundle)).toBe(true);
  expect(answer.text).not.toContain('/usr/bin/nc');
  expect((await rig.rest.get('/v1/nodes/island/bundle', { token: null })).status).toBe(401);
  await rig.rest.post('/v1/nodes/island/revoke', {});
  expect((await rig.rest.get('/v1/nodes/island/bundle')).status).toBe(409);
});

describe('a host that changes while a suspension of it is written', () => {
  afterEach(() => void jest.restoreAllMocks());

  /** Has `change` done before the next change of a kind is committed, after that was decided. */
  const before = (action: string, change: () => Promise<Answer>): void => {
    const spy = jest.spyOn(EtcdLedger.prototype, 'commit');
    spy.mockImplementation(async function (this: EtcdLedger, late) {
      spy.mockRestore();
      if (late.auditLog.action === action) {
        expect((await change()).status).toBeLessThan(300);
        return this.commit(late);
      }
      // Keys of hosts are made meanwhile.
      const committed = this.commit(late);
      before(action, change);
      return committed;
    });
  };
  const suspend = (node: string): Promise<Answer> => {
    const until = new Date(Date.now() + 3_600_000).toISOString();
    return rig.rest.post('/v1/suspensions', {
      ...{ target: { node }, mode: 'off', until, reason: 'race' },
    });
  };
  const suspendedWhile = async (node: string, change: () => Promise<Answer>): Promise<number> => {
    before('suspension.created', change);
    return (await suspend(node)).status;
  };

  it.each([
    ['renamed', 404, () => rig.rest.post('/v1/nodes/race1/rename', { to: 'race2' })],
    ['replaced', 409, () => rig.rest.post('/v1/nodes/race1/replace', {})],
    ['offboarded', 404, () => rig.rest.delete('/v1/nodes/race1')],
  ])(
    'leaves nothing to the next machine of the name where it is %s',
    async (_how, status, change) => {
      await rig.host('race1');
      expect(await suspendedWhile('race1', change)).toBe(status);
      expect(await suspended()).not.toContain('race1');
      for (const name of ['race1', 'race2']) await rig.rest.delete(`/v1/nodes/${name}`);
    },
  );

  it.each([
    ['renamed', ['race2'], () => rig.rest.post('/v1/nodes/race1/rename', { to: 'race2' })],
    ['replaced', [], () => rig.rest.post('/v1/nodes/race1/replace', {})],
    ['offboarded', [], () => rig.rest.delete('/v1/nodes/race1')],
  ])(
    'goes with the machine that it is for where that is %s, decided before and written after it',
    async (how, left, change) => {
      await rig.host('race1');
      before(`node.${how}`, () => suspend('race1'));
      expect((await change()).status).toBeLessThan(300);
      expect((await suspended()).filter((name) => String(name).startsWith('race'))).toEqual(left);
      for (const name of ['race1', 'race2']) await rig.rest.delete(`/v1/nodes/${name}`);
    },
  );

  it('is suspended where it is the same machine', async () => {
    await rig.host('race1');
    const label = () =>
      rig.rest.call('PATCH', '/v1/nodes/race1/labels', { body: { labels: { a: 'b' } } });
    expect(await suspendedWhile('race1', label)).toBe(201);
    expect(await suspended()).toContain('race1');
    expect((await rig.rest.delete('/v1/nodes/race1')).status).toBe(204);
  });
});
