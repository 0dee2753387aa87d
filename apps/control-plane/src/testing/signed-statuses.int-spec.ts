import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { redisKeys } from '#contracts';
import { eventually } from './eventually.js';
import { Rig, blockPolicy } from './rig.js';
import type { TestHost } from './test-host.js';

const PROD = { env: 'prod' };

let rig: Rig;
let web: TestHost;
let db: TestHost;
beforeAll(async () => {
  rig = await Rig.start();
  [web, db] = [await rig.host('web1', PROD), await rig.host('db1', PROD)];
  await rig.rest.post('/v1/apply', blockPolicy('one', '/usr/bin/nc', PROD));
  for (const host of [web, db]) await host.receives('one');
});
afterAll(() => rig.stop());

const signedStatusOf = async (name: string) => rig.rest.get(`/v1/nodes/${name}/signed-status`);

/** Waits for it: a report is on its way. */
const shows = (host: TestHost, signedStatus: unknown) =>
  eventually(`${host.name} is shown`, async () => {
    const { body } = await signedStatusOf(host.name);
    return JSON.stringify(body['signedStatus']) === JSON.stringify(signedStatus) && body;
  });

describe('the signed status of a host', () => {
  it('is given out as it came, with the key to check it by, alone and among all', async () => {
    const signedStatus = web.state();
    await web.report('enforced', {}, signedStatus);
    const view = await shows(web, signedStatus);
    expect(view).toMatchObject({ node: 'web1', nodeId: web.nodeId, key: expect.any(String) });
    await eventually(
      'the report too',
      async () => (await signedStatusOf('web1')).body['receivedAt'],
    );
    const { body } = await rig.rest.get('/v1/signed-statuses');
    expect(body['items']).toMatchObject([{ node: 'db1' }, { node: 'web1', signedStatus }]);
    expect((await signedStatusOf('db1')).status).toBe(404);
  });

  it('outlives the control plane, which keeps none', async () => {
    const { body } = await signedStatusOf('web1');
    await rig.stopControlPlane();
    await rig.startControlPlane();
    await rig.ready();
    await shows(web, body['signedStatus']);
  });

  it('of another host, or that is none, is not given out, and counted', async () => {
    const signedStatus = db.state();
    await db.report('enforced', {}, signedStatus);
    await shows(db, signedStatus);
    const key = redisKeys.signedStatus(web.nodeId);
    const put = (value: Buffer | string) =>
      rig.adminRedis.run('writing', (client) => client.set(key, value));
    const foreign = await rig.adminRedis.run('reading', (client) =>
      client.getBuffer(redisKeys.signedStatus(db.nodeId)),
    );
    for (const value of [foreign ?? '', 'nonsense', 'x'.repeat(3_000_000)]) {
      await put(value);
      expect((await signedStatusOf('web1')).status).toBe(404);
    }
    await shows(db, signedStatus);
    const { text } = await rig.rest.get('/metrics');
    expect(text).toMatch(/signed_statuses_refused_total\{reason="unknown-key"\} [1-9]/);
    expect(text).toMatch(/signed_statuses_refused_total\{reason="malformed"\} [1-9]/);
  });

  it('that rides in a report is given out too', async () => {
    const signedStatus = web.state();
    await web.report('enforced', { signedStatus });
    await shows(web, signedStatus);
    await web.report('enforced', {}, signedStatus);
    await shows(web, signedStatus);
  });

  it('cannot be read while Redis is away, which is said', async () => {
    rig.redisLink.cut();
    // Not of web1: its last report may still carry the signed status, which is then answered from memory.
    const answer = await eventually('refused', async () => {
      const said = await signedStatusOf('db1');
      return said.status === 503 && said;
    });
    expect(answer.body['detail']).toMatch(/Redis/);
    rig.redisLink.restore();
    await eventually('back', async () => (await signedStatusOf('db1')).status === 200);
  });

  it('goes with its host', async () => {
    expect((await rig.rest.delete('/v1/nodes/db1')).status).toBeLessThan(300);
    await eventually('gone', async () => {
      const key = redisKeys.signedStatus(db.nodeId);
      return (await rig.adminRedis.run('asking', (client) => client.exists(key))) === 0;
    });
  });
});
