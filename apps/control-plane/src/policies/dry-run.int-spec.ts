import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Rig, blockPolicy, group } from '../testing/rig.js';

const PRIVILEGED = "metadata:\n  annotations: {'hostward.io/tier': baseline}";

let rig: Rig;
const tokens: Record<string, string> = {};
beforeAll(async () => {
  rig = await Rig.start();
  await rig.host('web1', { team: 'a' });
  await rig.rest.post('/v1/apply', blockPolicy('theirs', '/bin/b', { team: 'b' }));
  for (const role of ['viewer', 'author', 'operator']) {
    const order = { name: role, roles: [role], selector: 'team=a' };
    tokens[role] = String((await rig.rest.post('/v1/api-tokens', order)).body['token']);
  }
});
afterAll(() => rig.stop());

const apply = (role: string, text: string, query: string) =>
  rig.rest.post(`/v1/apply${query}`, text, { token: tokens[role] ?? '' });
const mine = blockPolicy('mine', '/bin/a', { team: 'a' });
const stored = async () => JSON.stringify((await rig.rest.get('/v1/policies')).body['items']);

/** What a dry run answers is what the real one would, so that a pipeline that was tried is one that will go through. */
describe('a dry run', () => {
  it.each<[string, string, string]>([
    ['a viewer', 'viewer', mine],
    ['an operator, whose permission is another', 'operator', mine],
    ['an author beyond the scope', 'author', blockPolicy('more', '/bin/a', { team: 'b' })],
    [
      'an author who takes over a policy of another scope',
      'author',
      mine.replace('mine', 'theirs'),
    ],
    ['an author beyond the tier', 'author', mine.replace('metadata:', PRIVILEGED)],
    ['an author, of one group of several', 'author', `${mine}---\n${group('g', { team: 'b' })}`],
  ])('is refused as the real one would be: %s', async (_title, role, text) => {
    const before = await stored();
    const [dry, real] = [await apply(role, text, '?dryRun=true'), await apply(role, text, '')];
    expect([dry.status, dry.body['detail']]).toEqual([403, real.body['detail']]);
    expect([real.status, await stored()]).toEqual([403, before]);
  });

  it('of what the caller may write says what would be written', async () => {
    const dry = await apply('author', mine, '?dryRun=true');
    expect([dry.status, dry.body['dryRun']]).toEqual([200, true]);
    expect(dry.body['documents']).toMatchObject([{ verdict: 'created', selectedNodes: 1 }]);
    expect(await stored()).not.toContain('mine');
  });
});
