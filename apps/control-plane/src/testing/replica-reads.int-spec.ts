import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from './eventually.js';
import { ReplicaPair } from './replica-pair.js';
import type { Answer, Rest } from './rest.js';
import { blockPolicy, group } from './rig.js';
import { TestHost } from './test-host.js';

const LABELS = { env: 'prod' };
const LAB = { env: 'lab' };

let pair: ReplicaPair;
beforeAll(async () => {
  pair = await ReplicaPair.start();
  await pair.rig.host('a1', LABELS, pair.rest(0));
});
afterAll(() => pair.rig.stop());

const secretOf = ({ body }: Answer): { readonly token: string; readonly id: string } => ({
  token: String(body['token']),
  id: String(body['id']),
});
const namesIn = ({ body }: Answer): readonly string[] =>
  (body['items'] as unknown as readonly { name: string }[]).map(({ name }) => name);
const told = async (rest: Rest, action: string, object: string): Promise<number> => {
  const { text } = await rest.get('/v1/audit-log?limit=500');
  const { items } = JSON.parse(text) as { items: readonly { action: string; object: string }[] };
  return items.filter((entry) => entry.action === action && entry.object === object).length;
};

describe('what one replica was told, another one answers at once', () => {
  it('policies that were applied and deleted, in lists, by name, and as a status', async () => {
    for (let round = 0; round < 20; round += 1) {
      const [one, other] = [pair.rest(round), pair.rest(round + 1)];
      const name = `p${round}`;
      const applied = await one.post('/v1/apply', blockPolicy(name, '/usr/bin/nc', LABELS));
      expect(applied.status).toBe(200);
      const answers = await Promise.all([
        other.get(`/v1/policies/${name}`),
        other.get(`/v1/policies/${name}/status`),
        other.get('/v1/policies?limit=500'),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
      expect(answers[1].body).toMatchObject({ enforcedEverywhere: false });
      expect(answers[2].text).toContain(`"${name}"`);
      expect(await other.delete(`/v1/policies/${name}`)).toMatchObject({ status: 204, text: '' });
      expect((await one.get(`/v1/policies/${name}`)).status).toBe(404);
    }
  });

  it('labels, by name, in lists that select by them, and in what selects the host', async () => {
    const { status } = await pair.rest(0).post('/v1/apply', blockPolicy('lab', '/usr/bin/nc', LAB));
    expect(status).toBe(200);
    for (let round = 0; round < 6; round += 1) {
      const [one, other] = [pair.rest(round), pair.rest(round + 1)];
      const labels = { env: round % 2 === 0 ? 'lab' : 'prod', round: String(round) };
      const path = '/v1/nodes/a1/labels';
      expect((await one.call('PATCH', path, { body: { labels } })).status).toBe(200);
      const answers = await Promise.all([
        other.get('/v1/nodes/a1'),
        other.get(`/v1/nodes?selector=round%3D${round}`),
        other.get('/v1/nodes/a1/policies'),
      ]);
      expect(answers[0].body).toMatchObject({ labels });
      expect(namesIn(answers[1])).toEqual(['a1']);
      expect(namesIn(answers[2])).toEqual(round % 2 === 0 ? ['lab'] : []);
    }
    expect((await pair.rest(1).delete('/v1/policies/lab')).status).toBe(204);
  });

  it('groups, their members, and what selects them', async () => {
    for (let round = 0; round < 6; round += 1) {
      const [one, other] = [pair.rest(round), pair.rest(round + 1)];
      const name = `g${round}`;
      const put = await one.put(`/v1/groups/${name}`, group(name, { env: 'prod' }));
      expect(put.status).toBe(201);
      const answers = await Promise.all([
        other.get(`/v1/groups/${name}`),
        other.get('/v1/groups'),
        other.get(`/v1/groups/${name}/members`),
      ]);
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
      expect(namesIn(answers[1])).toEqual([name]);
      expect(answers[2].body).toMatchObject({ items: ['a1'] });
      expect((await other.delete(`/v1/groups/${name}`)).status).toBe(204);
      expect((await one.get(`/v1/groups/${name}`)).status).toBe(404);
    }
  });

  it('hosts that came and went', async () => {
    for (let round = 0; round < 4; round += 1) {
      const [one, other] = [pair.rest(round), pair.rest(round + 1)];
      const name = `new${round}`;
      await pair.rig.host(name, { env: 'new' }, one);
      expect((await other.get(`/v1/nodes/${name}`)).body).toMatchObject({ phase: 'enrolled' });
      expect(namesIn(await other.get('/v1/nodes?selector=env%3Dnew'))).toEqual([name]);
      expect((await other.post(`/v1/nodes/${name}/revoke`, {})).status).toBe(200);
      expect((await one.get(`/v1/nodes/${name}`)).body).toMatchObject({ phase: 'revoked' });
      expect((await one.delete(`/v1/nodes/${name}`)).status).toBe(204);
      expect((await other.get(`/v1/nodes/${name}`)).status).toBe(404);
      expect(namesIn(await other.get('/v1/nodes?selector=env%3Dnew'))).toEqual([]);
    }
  });

  it('suspensions that began and were ended', async () => {
    for (let round = 0; round < 4; round += 1) {
      const [one, other] = [pair.rest(round), pair.rest(round + 1)];
      const made = await one.post('/v1/suspensions', {
        target: { node: 'a1' },
        mode: 'audit',
        until: new Date(Date.now() + 3_600_000).toISOString(),
        reason: 'a look',
      });
      expect(made.status).toBe(201);
      const { id } = secretOf(made);
      expect((await other.get(`/v1/suspensions/${id}`)).status).toBe(200);
      expect((await other.get('/v1/suspensions')).text).toContain(id);
      expect((await other.delete(`/v1/suspensions/${id}`)).status).toBe(204);
      expect((await one.get(`/v1/suspensions/${id}`)).status).toBe(404);
      expect((await one.get('/v1/suspensions')).text).not.toContain(id);
    }
  });

  it('tokens that were made and revoked', async () => {
    for (let round = 0; round < 6; round += 1) {
      const [one, other] = [pair.rest(round), pair.rest(round + 1)];
      const made = await one.post('/v1/api-tokens', { name: 'ci', roles: ['viewer'] });
      const { token, id } = secretOf(made);
      expect((await other.get('/v1/policies', { token })).status).toBe(200);
      expect((await other.delete(`/v1/api-tokens/${id}`)).status).toBe(204);
      expect((await one.get('/v1/policies', { token })).status).toBe(401);
    }
  });
});

describe('what may happen once happens once, with two replicas', () => {
  const enrolling = (name: string): readonly TestHost[] =>
    Array.from({ length: 8 }, (_, index) => new TestHost(`${name}-${index}`, pair.rest(index)));

  it('a join token for one host lets one of many in, whichever replica they ask', async () => {
    const made = await pair.rest(0).post('/v1/join-tokens', { labels: LABELS, uses: 1 });
    const { token, id } = secretOf(made);
    const answers = await Promise.all(enrolling('once').map((host) => host.enroll(token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const { body } = await pair.rest(1).get(`/v1/join-tokens/${id}`);
    expect(body).toMatchObject({ uses: 1, usesLeft: 0 });
  });

  it('enrolments through both are counted each', async () => {
    const made = await pair.rest(0).post('/v1/join-tokens', { labels: { env: 'lab' }, uses: 100 });
    const { token, id } = secretOf(made);
    const hosts = enrolling('lab');
    await Promise.all(
      hosts.map((host) =>
        eventually('enrolled', async () => (await host.enroll(token)).status === 200),
      ),
    );
    const { body } = await pair.rest(1).get(`/v1/join-tokens/${id}`);
    expect(body).toMatchObject({ usesLeft: 100 - hosts.length });
  });

  it('a suspension ends by itself in one entry of the audit log', async () => {
    const made = await pair.rest(0).post('/v1/suspensions', {
      target: { node: 'a1' },
      mode: 'audit',
      until: new Date(Date.now() + 1_500).toISOString(),
      reason: 'a look',
    });
    const { id } = secretOf(made);
    for (const rest of pair.rests)
      await eventually('ended', async () => {
        return (await rest.get(`/v1/suspensions/${id}`)).status === 404;
      });
    // Whoever was slower has tried by now.
    await delay(1_500);
    for (const rest of pair.rests) expect(await told(rest, 'suspension.ended', id)).toBe(1);
  });
});
