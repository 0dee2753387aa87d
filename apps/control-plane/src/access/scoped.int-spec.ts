import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { get } from 'node:https';
import { readFileSync } from 'node:fs';
import type { Role } from '#contracts';
import { Rig, blockPolicy, group } from '../testing/rig.js';
import { alertBatch } from '../testing/alerts.js';
import type { TestHost } from '../testing/test-host.js';
import { eventually } from '../testing/eventually.js';

let rig: Rig;
let mine: TestHost;
let theirs: TestHost;
const scoped: Partial<Record<Role, string>> = {};

beforeAll(async () => {
  rig = await Rig.start();
  mine = await rig.host('mine', { team: 'a', tier: 'web' });
  theirs = await rig.host('theirs', { team: 'b', tier: 'web' });
  const documents = [
    blockPolicy('only-mine', '/bin/a', { team: 'a' }),
    blockPolicy('only-theirs', '/bin/b', { team: 'b' }),
    blockPolicy('both', '/bin/c', { tier: 'web' }),
    group('group-mine', { team: 'a' }),
    group('group-theirs', { team: 'b' }),
    group('group-both', { tier: 'web' }),
  ];
  const applied = await rig.rest.post('/v1/apply', documents.join('---\n'));
  expect([applied.status, applied.text]).toEqual([200, expect.any(String)]);
  for (const role of ['viewer', 'operator', 'author', 'approver', 'admin'] as const) {
    const order = { name: role, roles: [role], selector: 'team=a' };
    const made = await rig.rest.post('/v1/api-tokens', order);
    scoped[role] = String(made.body['token']);
  }
});
afterAll(() => rig.stop());

const as = (role: Role) => ({ token: scoped[role] ?? '' });
const names = async (path: string, role: Role = 'viewer'): Promise<readonly string[]> => {
  const { body } = await rig.rest.get(path, as(role));
  const items = body['items'] as unknown as readonly { readonly name: string }[];
  return items.map(({ name }) => name).sort();
};
const label = (name: string, labels: Record<string, string | null>, role: Role = 'operator') =>
  rig.rest.call('PATCH', `/v1/nodes/${name}/labels`, { ...as(role), body: { labels } });
const apply = (text: string, role: Role, query = '') =>
  rig.rest.post(`/v1/apply${query}`, text, as(role));

describe('a caller with a scope sees', () => {
  it('the hosts of it, and what selects them', async () => {
    expect(await names('/v1/nodes')).toEqual(['mine']);
    expect(await names('/v1/nodes?name=*')).toEqual(['mine']);
    expect(await names('/v1/nodes?name=their*')).toEqual([]);
    expect(await names('/v1/policies')).toEqual(['both', 'only-mine']);
    expect(await names('/v1/groups')).toEqual(['group-both', 'group-mine']);
    expect(await names('/v1/nodes/mine/policies')).toEqual(['both', 'only-mine']);
    expect(
      (await rig.rest.get('/v1/groups/group-both/members', as('viewer'))).body['items'],
    ).toEqual(['mine']);
    const policy = await rig.rest.get('/v1/policies/both', as('viewer'));
    expect(policy.body['selected']).toBe(1);
  });

  it.each([
    '/v1/nodes/theirs',
    '/v1/nodes/theirs/status',
    '/v1/nodes/theirs/policies',
    '/v1/nodes/theirs/explain?policy=both',
    '/v1/nodes/mine/explain?policy=only-theirs',
    '/v1/policies/only-theirs',
    '/v1/policies/only-theirs/status',
    '/v1/policies/only-theirs/nodes',
    '/v1/policies/only-theirs/history',
    '/v1/groups/group-theirs',
    '/v1/groups/group-theirs/members',
  ])('nothing at %s, as if it were not there', async (path) => {
    expect((await rig.rest.get(path)).status).toBe(200);
    const hidden = await rig.rest.get(path, as('viewer'));
    expect(hidden.status).toBe(404);
  });

  it('nothing of where a policy remains on the hosts of others', async () => {
    await theirs.receives('both', 'only-theirs');
    const path = '/v1/policies/no-such/remains';
    expect((await rig.rest.get(path)).body).toMatchObject({ hosts: 2 });
    const { body } = await rig.rest.get(path, as('viewer'));
    expect(body).toMatchObject({ hosts: 1, nodes: [{ node: 'mine' }] });
  });

  it('the status of a policy on those hosts alone', async () => {
    await mine.receives('both', 'only-mine');
    const { body } = await rig.rest.get('/v1/policies/both/status', as('viewer'));
    expect(body).toMatchObject({ selected: 1, nodes: [{ node: 'mine' }] });
    expect((await rig.rest.get('/v1/policies/both/status')).body).toMatchObject({ selected: 2 });
    const page = await rig.rest.get('/v1/policies/both/nodes', as('viewer'));
    expect(page.body).toMatchObject({ items: [{ node: 'mine' }] });
    const statuses = await rig.rest.get('/v1/node-statuses', as('viewer'));
    expect(statuses.body['items']).toEqual([
      expect.objectContaining({
        node: 'mine',
        policies: [
          expect.objectContaining({ policy: 'both' }),
          expect.objectContaining({ policy: 'only-mine' }),
        ],
      }),
    ]);
  });

  it('the alerts of those hosts, listed, single and streamed', async () => {
    await mine.send(alertBatch('both', 1, 2));
    await theirs.receives('both', 'only-theirs');
    await theirs.send(alertBatch('both', 5, 6));
    const all = await eventually('stored', async () => {
      const items = (await rig.rest.get('/v1/alerts')).body['items'] as unknown as {
        Node: string;
        EventID: string;
      }[];
      return items.length >= 4 && items;
    });
    const seen = await rig.rest.get('/v1/alerts', as('viewer'));
    const nodes = (seen.body['items'] as unknown as { Node: string }[]).map(({ Node }) => Node);
    expect(new Set(nodes)).toEqual(new Set(['mine']));
    const hidden = all.find(({ Node }) => Node === 'theirs')?.EventID ?? '';
    expect((await rig.rest.get(`/v1/alerts/${hidden}?node=theirs`)).status).toBe(200);
    const single = await rig.rest.get(`/v1/alerts/${hidden}?node=theirs`, as('viewer'));
    expect(single.status).toBe(404);
    const text = await streamed(scoped.viewer ?? '', /"Node":"mine".*"Node":"mine"/s);
    expect(text).not.toContain('theirs');
  });

  it('nothing that a scope cannot narrow', async () => {
    for (const path of ['/v1/audit-log', '/v1/users', '/v1/api-tokens', '/metrics'])
      expect([path, (await rig.rest.get(path, as('admin'))).status]).toEqual([path, 403]);
  });
});

describe('a caller with a scope writes', () => {
  it('policies that can select no other host, before and after', async () => {
    const own = blockPolicy('new-mine', '/bin/d', { team: 'a', tier: 'web' });
    expect((await apply(own, 'author')).status).toBe(200);
    for (const text of [
      blockPolicy('new-mine', '/bin/d', { tier: 'web' }),
      blockPolicy('new-other', '/bin/d', { team: 'b' }),
      blockPolicy('new-empty', '/bin/d', { nobody: 'yet' }),
      blockPolicy('new-group', '/bin/d', { 'hostward.io/group': 'group-mine' }),
      blockPolicy('new-all', '/bin/d', { 'hostward.io/all-hosts': 'true' }),
      blockPolicy('both', '/bin/d', { team: 'a' }),
      blockPolicy('only-theirs', '/bin/d', { team: 'a' }),
      group('group-both', { team: 'a' }),
      group('new-group', { tier: 'web' }),
    ])
      expect([text, (await apply(text, 'author')).status]).toEqual([text, 403]);
    for (const [method, path] of [
      ['DELETE', '/v1/policies/both'],
      ['POST', '/v1/policies/both/pause'],
      ['DELETE', '/v1/policies/only-theirs'],
      ['DELETE', '/v1/groups/group-theirs'],
    ] as const)
      expect((await rig.rest.call(method, path, { ...as('author'), body: {} })).status).toBe(403);
    expect((await rig.rest.delete('/v1/policies/new-mine', as('author'))).status).toBe(204);
  });

  it('labels that take no host out of the scope and bring none in', async () => {
    expect((await label('mine', { colour: 'blue' })).status).toBe(200);
    expect((await label('mine', { team: 'b' })).status).toBe(403);
    expect((await label('mine', { team: null })).status).toBe(403);
    expect((await label('theirs', { team: 'a' })).status).toBe(403);
    expect((await label('theirs', { colour: 'blue' })).status).toBe(403);
    expect((await rig.rest.delete('/v1/nodes/theirs', as('operator'))).status).toBe(403);
    expect((await rig.rest.post('/v1/nodes/theirs/revoke', {}, as('operator'))).status).toBe(403);
    const vm = (name: string, team: string) =>
      `apiVersion: security.kubearmor.com/v1\nkind: KubeArmorVirtualMachine\nmetadata: { name: ${name}, labels: { team: ${team} } }\n`;
    expect((await apply(vm('theirs', 'a'), 'operator')).status).toBe(403);
    expect((await apply(vm('fresh', 'b'), 'operator')).status).toBe(403);
    expect((await apply(vm('fresh', 'a'), 'operator')).status).toBe(200);
  });

  it('break-glass for its own hosts only', async () => {
    const until = new Date(Date.now() + 600_000).toISOString();
    const suspend = (target: object, role: Role = 'operator') =>
      rig.rest.post('/v1/suspensions', { target, mode: 'audit', until, reason: 'test' }, as(role));
    expect((await suspend({ node: 'theirs' })).status).toBe(404);
    expect((await suspend({ all: true })).status).toBe(403);
    expect((await suspend({ selector: 'tier=web' })).status).toBe(403);
    expect((await suspend({ selector: 'hostward.io/group=group-mine' })).status).toBe(403);
    expect((await suspend({ node: 'mine' }, 'author')).status).toBe(403);
    const made = await suspend({ selector: 'team=a,tier=web' });
    expect(made.status).toBe(201);
    const all = await rig.rest.post('/v1/suspensions', {
      ...{ target: { node: 'theirs' }, mode: 'audit', until, reason: 'by admin' },
    });
    const seen = (await rig.rest.get('/v1/suspensions', as('viewer'))).body['items'];
    expect(seen).toMatchObject([{ id: made.body['id'] }]);
    const other = `/v1/suspensions/${String(all.body['id'])}`;
    expect((await rig.rest.get(other, as('viewer'))).status).toBe(404);
    expect((await rig.rest.delete(other, as('operator'))).status).toBe(403);
    const own = `/v1/suspensions/${String(made.body['id'])}`;
    expect((await rig.rest.delete(own, as('operator'))).status).toBe(204);
    // It goes with its host to another name, and back, whoever may rename that.
    expect((await suspend({ node: 'mine' })).status).toBe(201);
    for (const [name, to] of [
      ['mine', 'mine2'],
      ['mine2', 'mine'],
    ]) {
      const renamed = await rig.rest.post(`/v1/nodes/${name}/rename`, { to }, as('operator'));
      expect([renamed.status, renamed.body['name']]).toEqual([200, to]);
    }
    const [left] = (await rig.rest.get('/v1/suspensions', as('viewer'))).body[
      'items'
    ] as unknown as [{ readonly id: string }];
    expect((await rig.rest.delete(`/v1/suspensions/${left.id}`, as('operator'))).status).toBe(204);
  });

  it('join tokens that let hosts of it in and no others, and sees and deletes no others', async () => {
    const make = (labels: object, more: object = {}) =>
      rig.rest.post('/v1/join-tokens', { labels, ...more }, as('operator'));
    for (const labels of [{}, { tier: 'web' }, { team: 'b' }])
      expect([labels, (await make(labels)).status]).toEqual([labels, 403]);
    expect((await make({ team: 'a' }, { groups: ['group-theirs'] })).status).toBe(400);
    const author = await rig.rest.post('/v1/join-tokens', { labels: { team: 'a' } }, as('author'));
    expect(author.status).toBe(403);
    const own = await make({ team: 'a', tier: 'web' }, { groups: ['group-mine', 'group-both'] });
    expect([own.status, own.body]).toMatchObject([201, { scope: 'team=a' }]);
    const theirs = await rig.rest.post('/v1/join-tokens', { labels: { team: 'b' } });
    const all = (await rig.rest.get('/v1/join-tokens?limit=1000', as('operator'))).text;
    expect(all).toContain(String(own.body['id']));
    expect(all).not.toContain(String(theirs.body['id']));
    const other = `/v1/join-tokens/${String(theirs.body['id'])}`;
    expect((await rig.rest.get(other, as('operator'))).status).toBe(404);
    expect((await rig.rest.delete(other, as('operator'))).status).toBe(404);
    const mineToo = `/v1/join-tokens/${String(own.body['id'])}`;
    expect((await rig.rest.delete(mineToo, as('operator'))).status).toBe(204);
  });

  it('exceptions for its own hosts, from policies that it sees', async () => {
    const until = new Date(Date.now() + 600_000).toISOString();
    const except = (policy: string, selector: string, role: Role = 'approver') =>
      rig.rest.post('/v1/exceptions', { policy, selector, until, reason: 'test' }, as(role));
    expect((await except('both', 'tier=web')).status).toBe(403);
    expect((await except('only-theirs', 'team=a')).status).toBe(403);
    expect((await except('both', 'team=a', 'author')).status).toBe(403);
    const made = await except('both', 'team=a');
    expect(made.status).toBe(201);
    const own = `/v1/exceptions/${String(made.body['id'])}`;
    expect((await rig.rest.delete(own, as('operator'))).status).toBe(403);
    expect((await rig.rest.delete(own, as('approver'))).status).toBe(204);
  });

  it('the end of its own exceptions, also when their policy is gone', async () => {
    expect((await apply(blockPolicy('brief', '/bin/f', { team: 'a' }), 'author')).status).toBe(200);
    const body = { policy: 'brief', selector: 'team=a', until: '10m', reason: 'test' };
    const made = await rig.rest.post('/v1/exceptions', body, as('approver'));
    const left = Date.parse(String(made.body['until'])) - Date.now();
    expect([made.status, left > 570_000, left <= 600_000]).toEqual([201, true, true]);
    expect((await rig.rest.delete('/v1/policies/brief', as('author'))).status).toBeLessThan(300);
    const own = `/v1/exceptions/${String(made.body['id'])}`;
    expect((await rig.rest.delete(own, as('approver'))).status).toBe(204);
  });

  it('no tier above the normal one and no override without being an approver', async () => {
    const baseline = blockPolicy('base', '/bin/e', { team: 'a' }).replace(
      '  name: base',
      '  name: base\n  annotations: { hostward.io/tier: baseline }',
    );
    expect((await apply(baseline, 'author')).status).toBe(403);
    expect((await apply(baseline, 'admin')).status).toBe(200);
    const plain = blockPolicy('base', '/bin/e', { team: 'a' });
    expect((await apply(plain, 'author')).status).toBe(403);
    expect((await rig.rest.delete('/v1/policies/base', as('author'))).status).toBe(403);
    const turn = async (verb: 'pause' | 'resume', role: Role) =>
      (await rig.rest.post(`/v1/policies/base/${verb}`, {}, as(role))).status;
    expect(await turn('pause', 'author')).toBe(403);
    expect(await turn('pause', 'admin')).toBe(200);
    expect(await turn('resume', 'author')).toBe(403);
    const over = blockPolicy('over', '/bin/e', { team: 'a' });
    expect((await apply(over, 'author', '?overrideProtection=true')).status).toBe(403);
  });
});

describe('an author', () => {
  let author: { readonly token: string };
  beforeAll(async () => {
    const made = await rig.rest.post('/v1/api-tokens', { name: 'writes', roles: ['author'] });
    author = { token: String(made.body['token']) };
    const by = (name: string) => ({ 'hostward.io/group': name });
    const baseline = blockPolicy('by-group', '/bin/f', by('of-base')).replace(
      '  name: by-group',
      '  name: by-group\n  annotations: { hostward.io/tier: baseline }',
    );
    const documents = [
      baseline,
      baseline.replaceAll('by-group', 'by-none').replace('of-base', 'not-there'),
      blockPolicy('plain-by-group', '/bin/g', by('of-plain')),
      ...['of-base', 'of-plain', 'of-exception'].map((name) => group(name, { team: 'a' })),
    ];
    const applied = await rig.rest.post('/v1/apply', documents.join('---\n'));
    expect([applied.status, applied.text]).toEqual([200, expect.any(String)]);
    const until = new Date(Date.now() + 600_000).toISOString();
    const exception = await rig.rest.post('/v1/exceptions', {
      ...{ policy: 'both', selector: 'hostward.io/group=of-exception', until, reason: 'test' },
    });
    expect([exception.status, exception.text]).toEqual([201, expect.any(String)]);
    expect((await rig.rest.post('/v1/policies/by-none/pause', {})).status).toBe(200);
  });

  it('does not move a group by which a policy of another tier selects its hosts', async () => {
    for (const name of ['of-base', 'of-exception', 'not-there']) {
      const answer = await rig.rest.post('/v1/apply', group(name, { team: 'b' }), author);
      expect([name, answer.status]).toEqual([name, 403]);
    }
    const answer = await rig.rest.delete('/v1/groups/of-base', author);
    expect([answer.status, answer.body]).toMatchObject([
      403,
      {
        detail: expect.stringContaining(
          'group of-base, named by policy by-group, needs the permission',
        ),
      },
    ]);
    expect((await rig.rest.post('/v1/apply', group('not-there', { team: 'a' }))).status).toBe(200);
  });

  it('does not move a group for which somebody has suspended enforcement, while that lasts', async () => {
    const until = new Date(Date.now() + 600_000).toISOString();
    const target = { selector: 'hostward.io/group=of-plain' };
    const order = { target, mode: 'off', until, reason: 'test' };
    const made = await rig.rest.post('/v1/suspensions', order);
    expect(made.status).toBe(201);
    const answer = await rig.rest.post('/v1/apply', group('of-plain', { team: 'c' }), author);
    expect([answer.status, answer.body]).toMatchObject([
      403,
      {
        detail: expect.stringContaining(
          'enforcement is suspended, needs the permission suspensions',
        ),
      },
    ]);
    expect((await rig.rest.delete(`/v1/suspensions/${String(made.body['id'])}`)).status).toBe(204);
  });

  it('moves any other group', async () => {
    for (const name of ['of-plain', 'of-nothing']) {
      const answer = await rig.rest.post('/v1/apply', group(name, { team: 'b' }), author);
      expect([name, answer.status]).toEqual([name, 200]);
    }
    expect((await rig.rest.delete('/v1/groups/of-nothing', author)).status).toBe(204);
  });
});

describe('a stream of alerts', () => {
  it('ends when the token that began it is revoked, and shows nothing more', async () => {
    const made = await rig.rest.post('/v1/api-tokens', { name: 'stream', roles: ['viewer'] });
    const token = String(made.body['token']);
    const ended = streamed(token, /never/);
    await mine.send(alertBatch('both', 10, 11));
    await rig.rest.delete(`/v1/api-tokens/${String(made.body['id'])}`);
    await mine.send(alertBatch('both', 20, 21));
    const text = await ended;
    expect(text).not.toContain('1000-0000000020');
  });
});

/** What a stream from the beginning says until `enough` matches or it ends. */
function streamed(token: string, enough: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'last-event-id': '0' };
    const ca = readFileSync(rig.files.caFile, 'utf8');
    const request = get(
      `${rig.rest.url}/v1/alerts/stream`,
      { headers, ca, agent: false },
      (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => {
          text += chunk.toString('utf8');
          if (!enough.test(text)) return;
          request.destroy();
          resolve(text);
        });
        answer.on('end', () => resolve(text));
        answer.on('error', () => resolve(text));
      },
    );
    request.on('error', reject);
  });
}
