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

const statementOf = async (name: string) => rig.rest.get(`/v1/nodes/${name}/statement`);

/** Waits for it: a report is on its way. */
const shows = (host: TestHost, statement: unknown) =>
  eventually(`${host.name} is shown`, async () => {
    const { body } = await statementOf(host.name);
    return JSON.stringify(body['statement']) === JSON.stringify(statement) && body;
  });

describe('the signed statement of a host', () => {
  it('is given out as it came, with the key to check it by, alone and among all', async () => {
    const statement = web.state();
    await web.report('enforced', {}, statement);
    const view = await shows(web, statement);
    expect(view).toMatchObject({ node: 'web1', nodeId: web.nodeId, key: expect.any(String) });
    await eventually('the report too', async () => (await statementOf('web1')).body['receivedAt']);
    const { body } = await rig.rest.get('/v1/statements');
    expect(body['items']).toMatchObject([{ node: 'db1' }, { node: 'web1', statement }]);
    expect((await statementOf('db1')).status).toBe(404);
  });

  it('outlives the control plane, which keeps none', async () => {
    const { body } = await statementOf('web1');
    await rig.stopControlPlane();
    await rig.startControlPlane();
    await rig.ready();
    await shows(web, body['statement']);
  });

  it('of another host, or that is none, is not given out, and counted', async () => {
    const statement = db.state();
    await db.report('enforced', {}, statement);
    await shows(db, statement);
    const key = redisKeys.statement(web.nodeId);
    const put = (value: Buffer | string) =>
      rig.adminRedis.run('writing', (client) => client.set(key, value));
    const foreign = await rig.adminRedis.run('reading', (client) =>
      client.getBuffer(redisKeys.statement(db.nodeId)),
    );
    for (const value of [foreign ?? '', 'nonsense', 'x'.repeat(3_000_000)]) {
      await put(value);
      expect((await statementOf('web1')).status).toBe(404);
    }
    await shows(db, statement);
    const { text } = await rig.rest.get('/metrics');
    expect(text).toMatch(/statements_refused_total\{reason="unknown-key"\} [1-9]/);
    expect(text).toMatch(/statements_refused_total\{reason="malformed"\} [1-9]/);
  });

  it('that rides in a report is given out too', async () => {
    const statement = web.state();
    await web.report('enforced', { statement });
    await shows(web, statement);
    await web.report('enforced', {}, statement);
    await shows(web, statement);
  });

  it('cannot be read while Redis is away, which is said', async () => {
    rig.redisLink.cut();
    // Not of web1: its last report may still carry the statement, which is then answered from memory.
    const answer = await eventually('refused', async () => {
      const said = await statementOf('db1');
      return said.status === 503 && said;
    });
    expect(answer.body['detail']).toMatch(/Redis/);
    rig.redisLink.restore();
    await eventually('back', async () => (await statementOf('db1')).status === 200);
  });

  it('goes with its host', async () => {
    expect((await rig.rest.delete('/v1/nodes/db1')).status).toBeLessThan(300);
    await eventually('gone', async () => {
      const key = redisKeys.statement(db.nodeId);
      return (await rig.adminRedis.run('asking', (client) => client.exists(key))) === 0;
    });
  });
});
