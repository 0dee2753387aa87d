import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from './eventually.js';
import type { Rest } from './rest.js';
import { Rig, blockPolicy } from './rig.js';
import { TestHost } from './test-host.js';

const LABELS = { env: 'prod' };

/** `rig.rest` has lost sight of etcd; `other` reaches it, and has changed all that was there. */
let rig: Rig;
let other: Rest;
let host: TestHost;
let joinToken: string;
beforeAll(async () => {
  rig = await Rig.start();
  other = await rig.startReplica();
  await eventually('the replica is ready', async () => (await other.get('/readyz')).status === 200);
  const made = await rig.rest.post('/v1/join-tokens', { labels: LABELS });
  joinToken = String(made.body['token']);
  host = new TestHost('a1', rig.rest);
  expect((await host.enroll(joinToken)).status).toBe(200);
  for (const name of ['paused', 'deleted'])
    expect((await rig.rest.post('/v1/apply', policy(name))).status).toBe(200);
  expect((await rig.rest.post('/v1/policies/paused/pause')).status).toBe(200);
  rig.etcdLink.stall();
  expect((await other.post('/v1/policies/paused/resume')).status).toBe(200);
  expect((await other.delete('/v1/policies/deleted')).status).toBe(204);
  expect((await label(other, { env: 'lab' })).status).toBe(200);
});
afterAll(() => rig.stop());

const policy = (name: string): string => blockPolicy(name, `/usr/bin/${name}`, LABELS);
const label = (rest: Rest, labels: Record<string, string>) =>
  rest.call('PATCH', '/v1/nodes/a1/labels', { body: { labels } });

describe('a control plane to which etcd has fallen silent, while another one goes on', () => {
  it.each([
    ['a pause of what is paused', () => rig.rest.post('/v1/policies/paused/pause')],
    ['an apply of what is there', () => rig.rest.post('/v1/apply', policy('deleted'))],
    ['labels that a host has', () => label(rig.rest, LABELS)],
    ['a deletion of what is not there', () => rig.rest.delete('/v1/policies/none')],
    [
      'the same at a path in which a letter is escaped',
      () => rig.rest.delete('/%761/policies/none'),
    ],
  ])('does not say of %s that it is so: it refuses', async (_what, write) => {
    const answer = await write();
    expect([answer.status, answer.text]).toEqual([
      503,
      expect.stringContaining('etcd does not answer'),
    ]);
    expect(answer.headers['retry-after']).toBe('2');
  });

  it('goes on reading, and says that it may be old', async () => {
    const answer = await rig.rest.get('/v1/policies/paused');
    expect(answer.body).toMatchObject({ paused: true });
    expect(answer.headers['hostward-stale']).toBe('etcd does not answer');
    const escaped = await rig.rest.get('/%761/policies/paused');
    expect([escaped.status, escaped.headers['hostward-stale']]).toEqual([
      200,
      'etcd does not answer',
    ]);
  });

  it('gives an enrolled host its certificate anew', async () => {
    expect((await host.enroll(joinToken)).status).toBe(200);
  });

  it('does what it is told when it hears etcd again', async () => {
    rig.etcdLink.restore();
    await eventually('paused', async () => {
      return (await rig.rest.post('/v1/policies/paused/pause')).status === 200;
    });
    expect((await other.get('/v1/policies/paused')).body).toMatchObject({ paused: true });
    expect((await label(rig.rest, LABELS)).status).toBe(200);
    expect((await other.get('/v1/nodes/a1')).body).toMatchObject({ labels: LABELS });
  });
});
