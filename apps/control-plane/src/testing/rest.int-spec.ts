import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AUDIT_LOG_START, brokenAuditLogAt, type AuditLogEntry } from '#bundle';
import { etcdKeys } from '#etcd';
import { Rig, blockPolicy, group } from './rig.js';
import { eventually } from './eventually.js';

/** Time to see what ends by itself before it has ended. */
const SOON_MS = 5_000;

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());

const nc = (name: string, labels: Record<string, string> = { nobody: 'x' }): string =>
  blockPolicy(name, '/usr/bin/nc', labels);
const verdicts = (body: unknown): string[] =>
  (body as { documents: { name: string; verdict: string }[] }).documents.map(
    ({ name, verdict }) => `${name} ${verdict}`,
  );
const itemsOf = <T>(body: unknown): T[] => (body as { items: T[] }).items;

describe('apply', () => {
  it('creates, leaves what is the same, and changes what differs, by content', async () => {
    const first = await rig.rest.post('/v1/apply', nc('same'));
    expect(verdicts(first.body)).toEqual(['same created']);
    const reordered = {
      spec: {
        action: 'Block',
        process: { matchPaths: [{ path: '/usr/bin/nc' }] },
        nodeSelector: { matchLabels: { nobody: 'x' } },
      },
      metadata: { name: 'same' },
      kind: 'KubeArmorHostPolicy',
      apiVersion: 'security.kubearmor.com/v1',
    };
    const again = await rig.rest.post('/v1/apply', reordered);
    expect(verdicts(again.body)).toEqual(['same unchanged']);
    expect(again.body['revision']).toBeUndefined();
    const changed = await rig.rest.post(
      '/v1/apply',
      blockPolicy('same', '/usr/bin/ncat', { nobody: 'x' }),
    );
    expect(verdicts(changed.body)).toEqual(['same configured']);
  });

  it('writes nothing of a set in which one document is wrong, and says where', async () => {
    const answer = await rig.rest.post(
      '/v1/apply',
      `${nc('right')}---\n${nc('wrong').replace('path:', 'pth:')}`,
    );
    expect(answer.status).toBe(422);
    expect(answer.body).toMatchObject({
      documents: [{ name: 'right' }, { name: 'wrong', verdict: 'invalid' }],
      errors: expect.arrayContaining([
        expect.objectContaining({
          field: expect.stringContaining('documents[1].spec.process.matchPaths[0]'),
          line: expect.any(Number),
          remedy: expect.any(String),
        }),
      ]),
    });
    expect((await rig.rest.get('/v1/policies/right')).status).toBe(404);
  });

  it('makes all documents of a large set visible at one revision', async () => {
    const documents = Array.from({ length: 300 }, (_, index) => nc(`large-${index}`)).join('---\n');
    const answer = await rig.rest.post('/v1/apply', documents);
    expect(answer.status).toBe(200);
    const revisions = (
      answer.body as unknown as { documents: { revision: string }[] }
    ).documents.map(({ revision }) => revision);
    expect(new Set(revisions)).toEqual(new Set([answer.body['revision']]));
  });

  it('writes nothing on a dry run and counts the hosts that would be selected', async () => {
    await rig.host('dry', { dry: 'yes' });
    const answer = await rig.rest.post(
      '/v1/apply?dryRun=true',
      `${nc('dry-run', { 'hostward.io/group': 'dry' })}---\n${group('dry', { dry: 'yes' })}`,
    );
    expect(answer.body).toMatchObject({
      dryRun: true,
      documents: [{ verdict: 'created', selectedNodes: 1 }, { verdict: 'created' }],
    });
    expect((await rig.rest.get('/v1/policies/dry-run')).status).toBe(404);
  });

  it('prunes what the same owner applied before, and nothing of others', async () => {
    await rig.rest.post(
      '/v1/apply?owner=team-a',
      `${nc('a1')}---\n${nc('a2')}---\n${group('a3', { a: 'b' })}`,
    );
    await rig.rest.post('/v1/apply?owner=team-b', nc('b1'));
    const answer = await rig.rest.post('/v1/apply?owner=team-a&prune=true', nc('a1'));
    expect(verdicts(answer.body)).toEqual(['a1 unchanged', 'a2 pruned', 'a3 pruned']);
    expect((await rig.rest.get('/v1/policies/a2')).status).toBe(404);
    expect((await rig.rest.get('/v1/policies/b1')).status).toBe(200);
    const taken = await rig.rest.post('/v1/apply?owner=team-a', nc('b1'));
    expect([taken.status, taken.text.includes('team-b')]).toEqual([422, true]);
  });

  it('refuses what has no selector unless it is told one', async () => {
    const none = nc('unselected').replace(/ {2}nodeSelector:\n.*\n.*\n/, '');
    expect((await rig.rest.post('/v1/apply', none)).status).toBe(422);
    expect((await rig.rest.post('/v1/apply?selector=nobody%3Dx', none)).status).toBe(200);
    expect((await rig.rest.post('/v1/apply?allHosts=true&dryRun=true', none)).status).toBe(200);
  });

  it('refuses a policy that would lock its operator out, names the rule, and takes it with the override', async () => {
    const lockout = blockPolicy('lockout', '/usr/sbin/sshd', { nobody: 'x' });
    const refused = await rig.rest.post('/v1/apply', lockout);
    expect(refused.status).toBe(422);
    expect(refused.body).toMatchObject({ type: 'urn:hostward:problem:would-lock-out' });
    expect(refused.text).toContain('process/matchPaths/0');
    expect(refused.text).toContain('override');
    const taken = await rig.rest.post('/v1/apply?overrideProtection=true', lockout);
    expect(taken.status).toBe(200);
    expect((await rig.rest.get('/v1/policies/lockout')).text).toContain(
      'hostward.io/override-protection',
    );
  });
});

describe('a policy', () => {
  it('has an ETag that a write must match', async () => {
    await rig.rest.put('/v1/policies/etag', nc('etag'));
    const etag = String((await rig.rest.get('/v1/policies/etag')).headers['etag']);
    const put = await rig.rest.put(
      '/v1/policies/etag',
      blockPolicy('etag', '/usr/bin/ncat', { nobody: 'x' }),
      { headers: { 'if-match': etag } },
    );
    expect([put.status, put.headers['etag'] === etag]).toEqual([200, false]);
    const stale = await rig.rest.delete('/v1/policies/etag', { headers: { 'if-match': etag } });
    expect([stale.status, stale.body['type']]).toEqual([
      412,
      'urn:hostward:problem:precondition-failed',
    ]);
    expect(
      (await rig.rest.put('/v1/policies/none', nc('none'), { headers: { 'if-match': '*' } }))
        .status,
    ).toBe(412);
    const fresh = await rig.rest.delete('/v1/policies/etag', {
      headers: { 'if-match': String(put.headers['etag']) },
    });
    expect(fresh.status).toBe(204);
  });

  it('lets one of many simultaneous writers with one ETag win', async () => {
    const first = await rig.rest.put('/v1/policies/race', nc('race'));
    const headers = { 'if-match': String(first.headers['etag']) };
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        rig.rest.put(
          '/v1/policies/race',
          blockPolicy('race', `/usr/bin/nc${index}`, { nobody: 'x' }),
          { headers },
        ),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([
      200,
      ...Array<number>(9).fill(412),
    ]);
  });

  it('keeps its history over deletion, and can be rolled back from it', async () => {
    const host = await rig.host('history', { history: 'yes' });
    await rig.rest.put('/v1/policies/old', blockPolicy('old', '/usr/bin/nc', { history: 'yes' }));
    await rig.rest.put('/v1/policies/old', blockPolicy('old', '/usr/bin/ncat', { history: 'yes' }));
    const back = await rig.rest.post('/v1/policies/old/rollback', {});
    expect(JSON.stringify(back.body)).toContain('"/usr/bin/nc"');
    await rig.rest.delete('/v1/policies/old');
    await host.receives();
    await rig.rest.post('/v1/policies/old/rollback', { version: 2 });
    await host.receives('old');
    const pages: { version: number; change: string }[] = [];
    let cursor: string | undefined;
    do {
      const page = await rig.rest.get(
        `/v1/policies/old/history?limit=2${cursor ? `&cursor=${cursor}` : ''}`,
      );
      pages.push(...itemsOf<{ version: number; change: string }>(page.body));
      cursor = page.body['next'];
    } while (cursor);
    expect(pages.map(({ version, change }) => `${version} ${change}`)).toEqual([
      '5 rolled-back',
      '4 deleted',
      '3 rolled-back',
      '2 configured',
      '1 created',
    ]);
  });

  it('leaves its hosts while it is paused and comes back when it is resumed', async () => {
    const host = await rig.host('pausing', { pause: 'yes' });
    await rig.rest.put('/v1/policies/pausing', nc('pausing', { pause: 'yes' }));
    await host.receives('pausing');
    expect((await rig.rest.post('/v1/policies/pausing/pause')).body['paused']).toBe(true);
    await host.receives();
    expect((await rig.rest.get('/v1/policies/pausing/status')).body).toMatchObject({
      enforcedEverywhere: false,
      nodes: [{ state: 'pending' }],
    });
    await rig.rest.post('/v1/policies/pausing/resume');
    await host.receives('pausing');
  });

  it('is listed in pages by name', async () => {
    const names: string[] = [];
    let cursor = '';
    for (let page = 0; page < 200; page += 1) {
      const { body } = await rig.rest.get(`/v1/policies?limit=7${cursor && `&cursor=${cursor}`}`);
      names.push(...itemsOf<{ name: string }>(body).map(({ name }) => name));
      cursor = body['next'] ?? '';
      if (cursor === '') break;
    }
    expect(names).toEqual([...new Set(names)].toSorted());
    expect(names.filter((name) => name.startsWith('large-'))).toHaveLength(300);
  });

  it('is found by a part of its name, as hosts and groups are, together with labels and in pages', async () => {
    const group = (name: string) =>
      `apiVersion: hostward.io/v1\nkind: Group\nmetadata: {name: ${name}}\nspec: {selector: {matchLabels: {s: x}}}\n`;
    const vm = (name: string, env: string) =>
      `apiVersion: security.kubearmor.com/v1\nkind: KubeArmorVirtualMachine\nmetadata: {name: ${name}, labels: {s: ${env}}}\n`;
    const documents = [
      ...['find-a1', 'find-a2', 'find-b1'].flatMap((name) => [group(name), nc(name, { s: 'x' })]),
      ...[vm('find-a1', 'x'), vm('find-a2', 'y'), vm('find-a3', 'x'), vm('find-b1', 'x')],
    ];
    expect((await rig.rest.post('/v1/apply', documents.join('---\n'))).status).toBe(200);
    const found = async (path: string) =>
      itemsOf<{ name: string }>((await rig.rest.get(path)).body).map(({ name }) => name);
    expect(await found('/v1/policies?name=find-a*')).toEqual(['find-a1', 'find-a2']);
    expect(await found('/v1/groups?name=*nd-%3F1')).toEqual(['find-a1', 'find-b1']);
    expect(await found('/v1/nodes?name=find-b1')).toEqual(['find-b1']);
    expect(await found('/v1/nodes?name=find-%3F')).toEqual([]);
    const path = '/v1/nodes?name=find-a*&selector=s%3Dx&limit=1';
    expect(await found(path)).toEqual(['find-a1']);
    const { next } = (await rig.rest.get(path)).body;
    expect(await found(`${path}&cursor=${next}`)).toEqual(['find-a3']);
    const statuses = (await rig.rest.get('/v1/node-statuses?name=*-a2')).body;
    expect(statuses['items']).toMatchObject([{ node: 'find-a2' }]);
  });

  it('tells why it selects a host or not', async () => {
    await rig.host('explained', { env: 'prod' });
    await rig.rest.put('/v1/policies/explained', nc('explained', { env: 'prod', tier: 'web' }));
    const { body } = await rig.rest.get('/v1/nodes/explained/explain?policy=explained');
    expect(body).toMatchObject({
      selected: false,
      tests: [
        { test: 'env = prod', actual: 'prod', holds: true },
        { test: 'tier = web', holds: false },
      ],
    });
  });
});

describe('a suspension', () => {
  it('goes to the hosts it is for inside their assignments, and ends by itself', async () => {
    const host = await rig.host('suspended', { s: 'yes' });
    const other = await rig.host('working', { s: 'no' });
    await Promise.all([host.receives(), other.receives()]);
    const until = new Date(Date.now() + SOON_MS).toISOString();
    const made = await rig.rest.post('/v1/suspensions', {
      target: { selector: 's=yes' },
      mode: 'audit',
      until,
      reason: 'test',
    });
    expect(made.status).toBe(201);
    await eventually(
      'suspended',
      async () => (await host.fetch())?.assignment.suspension?.mode === 'audit',
    );
    expect((await other.fetch())?.assignment.suspension).toBeUndefined();
    expect((await rig.rest.get('/v1/nodes/suspended/status')).body['conditions']).toEqual([
      'suspended',
    ]);
    await eventually('over', async () => (await host.fetch())?.assignment.suspension === undefined);
    expect(itemsOf((await rig.rest.get('/v1/suspensions')).body)).toEqual([]);
  });

  it('can be ended before its time', async () => {
    const host = await rig.host('freed');
    const until = new Date(Date.now() + 600_000).toISOString();
    const made = await rig.rest.post('/v1/suspensions', {
      target: { node: 'freed' },
      mode: 'off',
      until,
      reason: 'test',
    });
    await eventually(
      'suspended',
      async () => (await host.fetch())?.assignment.suspension?.mode === 'off',
    );
    expect((await rig.rest.delete(`/v1/suspensions/${String(made.body['id'])}`)).status).toBe(204);
    await eventually(
      'ended',
      async () => (await host.fetch())?.assignment.suspension === undefined,
    );
  });
});

describe('an exception', () => {
  it('is a policy of its own tier on the hosts it is for, until its end', async () => {
    const host = await rig.host('excepted', { x: 'yes' });
    await rig.rest.put('/v1/policies/strict', nc('strict', { x: 'yes' }));
    await host.receives('strict');
    const until = new Date(Date.now() + SOON_MS).toISOString();
    const made = await rig.rest.post('/v1/exceptions', {
      policy: 'strict',
      selector: 'x=yes',
      until,
      reason: 'patch day',
    });
    expect([made.status, made.text]).toEqual([201, expect.any(String)]);
    const policy = String(made.body['madePolicy']);
    const delivery = await host.receives('strict', policy);
    expect(JSON.stringify(delivery.policies)).toContain('"hostward.io/tier":"exception"');
    expect(JSON.stringify(delivery.policies)).toContain('"hostward.io/lifts":"strict"');
    await host.receives('strict');
    expect(itemsOf((await rig.rest.get('/v1/exceptions')).body)).toEqual([]);
    expect((await rig.rest.get(`/v1/policies/${policy}`)).status).toBe(404);
  });

  it('is refused of a policy that takes nothing, by what it would have to have', async () => {
    const audit = nc('audits').replace('action: Block', 'action: Audit');
    expect((await rig.rest.put('/v1/policies/audits', audit)).status).toBe(201);
    const refused = await rig.rest.post('/v1/exceptions', {
      policy: 'audits',
      selector: 'nobody=x',
      until: new Date(Date.now() + 3_600_000).toISOString(),
      reason: 'patch day',
    });
    expect(refused.status).toBe(422);
    expect(refused.body['errors']).toMatchObject([
      { field: 'policy', value: 'audits', message: expect.stringContaining('it has no Block') },
    ]);
    const { body } = await rig.rest.get('/v1/exceptions');
    expect(itemsOf(body)).not.toContainEqual(expect.objectContaining({ policy: 'audits' }));
  });

  it.each<[string, ...(readonly ['POST' | 'DELETE', string])[]]>([
    ['as it was made'],
    ['paused and resumed', ['POST', '/pause'], ['POST', '/resume']],
    ['its policy deleted before it', ['DELETE', '']],
  ])('leaves nothing in etcd when it has ended, %s', async (_title, ...changes) => {
    await rig.rest.put('/v1/policies/kept', nc('kept'));
    const made = await rig.rest.post('/v1/exceptions', {
      policy: 'kept',
      selector: 'nobody=x',
      until: new Date(Date.now() + 3_600_000).toISOString(),
      reason: 'patch day',
    });
    const [id, policy] = [String(made.body['id']), String(made.body['madePolicy'])];
    for (const [method, way] of changes)
      expect((await rig.rest.call(method, `/v1/policies/${policy}${way}`)).status).toBeLessThan(
        300,
      );
    expect(await keysNaming(id)).toHaveLength(3 + changes.length);
    expect((await rig.rest.delete(`/v1/exceptions/${id}`)).status).toBe(204);
    expect(await keysNaming(id)).toEqual([]);
  });
});

async function keysNaming(id: string): Promise<readonly string[]> {
  const etcd = rig.openEtcd();
  try {
    const { items } = await etcd.list(etcdKeys.root);
    return items.map(({ key }) => key).filter((key) => key.includes(id));
  } finally {
    etcd.close();
  }
}

describe('the audit log', () => {
  it('is a chain of hashes without a gap, newest first', async () => {
    const entries: AuditLogEntry[] = [];
    let cursor: string | undefined;
    do {
      const page = await rig.rest.get(`/v1/audit-log?limit=50${cursor ? `&cursor=${cursor}` : ''}`);
      entries.push(...itemsOf<AuditLogEntry>(page.body));
      cursor = page.body['next'];
    } while (cursor);
    expect(entries.at(-1)?.seq).toBe(1);
    expect(brokenAuditLogAt(AUDIT_LOG_START, entries.toReversed())).toBeUndefined();
    const actions = new Set(entries.map(({ action }) => action));
    for (const action of [
      'apply',
      'node.enrolled',
      'policy.rolled-back',
      'suspension.ended',
      'exception.created',
    ])
      expect(actions).toContain(action);
  });
});

describe('the periodic tasks', () => {
  it('all run, and say so in the metrics', async () => {
    const ran = async (): Promise<readonly string[]> => {
      const { text } = await rig.rest.get('/metrics');
      const counts = text.matchAll(/^hostward_periodic_task_seconds_count\{task="([\w-]+)"\}/gm);
      return [...counts].map(([, task]) => task ?? '').sort();
    };
    const all = [
      'check-etcd-writes',
      'compare-audit-log-heads',
      'compare-stores',
      'divide-hosts',
      'end-clone-marks',
      'end-suspensions',
      'end-timed-access',
      'find-alerts-of-replicas',
      'find-restored-etcd',
      'measure-fleet',
      'publish-audit-log-head',
      'record-refusals',
      'renew-assignments',
      'retry-alert-stores',
      'retry-events',
      'rotate-tls-ticket-keys',
      'store-audit-log',
      'sweep-etcd',
    ];
    await eventually('every task', async () => (await ran()).length === all.length, 60_000);
    expect(await ran()).toEqual(all);
  });
});
