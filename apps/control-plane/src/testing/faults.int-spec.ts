import { afterEach, describe, expect, it } from '@jest/globals';
import { redisKeys } from '#contracts';
import { RedisRefused } from '#redis';
import { Rig, blockPolicy } from './rig.js';
import { eventually } from './eventually.js';
import { alertBatch } from './alerts.js';

/** What is waited for comes at once or, on a machine with other work, much later. */

let rig: Rig;
afterEach(() => rig.stop());

const isReady = async (): Promise<boolean> => (await rig.rest.get('/readyz')).status === 200;
/** Empties Redis; true if it was empty then, since what was there may be back a moment later. */
const flushall = async (): Promise<boolean> => {
  const answers = await rig.adminRedis.run('emptying Redis', (client) =>
    client.multi().flushall().dbsize().exec(),
  );
  return answers?.[1]?.[1] === 0;
};

describe('when Redis loses everything', () => {
  it('is filled again from etcd by itself, after FLUSHALL and after a restart, with nothing that is new to hosts', async () => {
    rig = await Rig.start();
    const host = await rig.host('web1', { env: 'prod' });
    await rig.rest.post('/v1/apply', blockPolicy('keep', '/usr/bin/nc', { env: 'prod' }));
    await host.receives('keep');
    const assignmentVersion = async () => {
      const { epoch, generation, issuedAt } = (await host.fetch())?.assignment ?? {};
      return { epoch, generation, issuedAt };
    };
    const before = await assignmentVersion();
    expect(await flushall()).toBe(true);
    await host.receives('keep');
    expect(await assignmentVersion()).toEqual(before);
    await rig.redis.restart();
    await eventually('there again', () =>
      host.fetch().then(
        (found) => found?.policies.length === 1,
        () => false,
      ),
    );
    expect(await assignmentVersion()).toEqual(before);
    await rig.ready();
  });

  it('gets something newer for a host that says that it has seen something later', async () => {
    rig = await Rig.start();
    const host = await rig.host('web1', { env: 'prod' });
    await rig.rest.post('/v1/apply', blockPolicy('keep', '/usr/bin/nc', { env: 'prod' }));
    const { assignment } = await host.receives('keep');
    const { epoch, generation, issuedAt } = assignment;
    await host.report('pending', { seen: { epoch, generation, issuedAt: issuedAt + 1 } });
    await eventually('something newer', async () => {
      const found = await host.fetch();
      return found && found.assignment.issuedAt > issuedAt + 1;
    });
  });

  it('loses no alert that a host still has, stores none twice, and tells the host what it may drop', async () => {
    rig = await Rig.start();
    const host = await rig.host('web1');
    await host.receives();
    await host.send(alertBatch('p', 1, 3));
    await eventually('cursor', async () => (await host.cursor()) === '1000-0000000003');
    expect(await flushall()).toBe(true);
    await eventually('delivered again', () => host.fetch());
    await host.send(alertBatch('p', 2, 5));
    await eventually('cursor', async () => (await host.cursor()) === '1000-0000000005');
    const { items } = (await rig.rest.get('/v1/alerts')).body as unknown as {
      items: { EventID: string; Node: string }[];
    };
    expect(items.map(({ EventID }) => Number(EventID.split('-')[1]))).toEqual([5, 4, 3, 2, 1]);
    expect(new Set(items.map(({ Node }) => Node))).toEqual(new Set(['web1']));
  });
});

describe('when Redis is away', () => {
  it('starts, takes policies, says that it is not ready, and delivers when Redis is there', async () => {
    rig = await Rig.prepare();
    rig.redisLink.cut();
    await rig.startControlPlane();
    await eventually(
      'etcd was read',
      async () => (await rig.rest.get('/v1/policies')).status === 200,
    );
    const ready = await rig.rest.get('/readyz');
    expect(ready.status).toBe(503);
    expect(ready.text).toContain('"name":"redis","ok":false');
    const host = await rig.host('web1', { env: 'prod' });
    const applied = await rig.rest.post(
      '/v1/apply',
      blockPolicy('keep', '/usr/bin/nc', { env: 'prod' }),
    );
    expect(applied.status).toBe(200);
    const status = (await rig.rest.get('/v1/policies/keep/status')).body;
    expect(status).toMatchObject({ enforcedEverywhere: false, nodes: [{ state: 'pending' }] });
    rig.redisLink.restore();
    // Until its control plane is back there, Redis knows no such user.
    await eventually('it may log in', () =>
      host.fetch().then(
        () => true,
        (error: unknown) => {
          if (error instanceof RedisRefused) return false;
          throw error;
        },
      ),
    );
    await host.receives('keep');
    await rig.ready();
  });

  it('catches up with what hosts reported and what changed while its link was cut', async () => {
    rig = await Rig.start();
    const host = await rig.host('web1', { env: 'prod' });
    await rig.rest.post('/v1/apply', blockPolicy('one', '/usr/bin/nc', { env: 'prod' }));
    await host.receives('one');
    rig.redisLink.cut();
    await host.report('enforced');
    await host.send(alertBatch('one', 1, 2));
    await rig.rest.post('/v1/apply', blockPolicy('two', '/usr/bin/nmap', { env: 'prod' }));
    rig.redisLink.restore();
    await host.receives('one', 'two');
    await eventually(
      'report',
      async () => (await rig.rest.get('/v1/nodes/web1')).body['connected'],
    );
    await eventually('alerts', async () => (await host.cursor()) === '1000-0000000002');
  });
});

describe('when Redis is full', () => {
  it('takes what hosts have sent out of it, and tells them what is stored once there is room', async () => {
    rig = await Rig.start();
    const host = await rig.host('web1');
    await host.receives();
    const config = (maxmemory: string) =>
      rig.adminRedis.run('setting', (client) => client.config('SET', 'maxmemory', maxmemory));
    rig.redisLink.cut();
    await host.send(alertBatch('p', 1, 3));
    await config('1');
    rig.redisLink.restore();
    const key = redisKeys.events(host.nodeId);
    await eventually('taken out', async () =>
      rig.adminRedis.run('looking', async (client) => (await client.exists(key)) === 0),
    );
    expect((await rig.rest.get('/v1/alerts')).body['items']).toHaveLength(3);
    expect(await host.cursor()).toBeUndefined();
    await config('0');
    await host.send(alertBatch('p', 1, 3));
    await eventually('cursor', async () => (await host.cursor()) === '1000-0000000003');
    expect((await rig.rest.get('/v1/alerts')).body['items']).toHaveLength(3);
  });
});

describe('when etcd is away', () => {
  it('starts, answers 503 with what is wrong, and goes on when etcd is there', async () => {
    rig = await Rig.prepare();
    rig.etcdLink.cut();
    await rig.startControlPlane();
    expect((await rig.rest.get('/healthz')).status).toBe(200);
    expect((await rig.rest.get('/readyz')).status).toBe(503);
    const answer = await rig.rest.get('/v1/policies');
    expect(answer.status).toBe(503);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect((await rig.rest.post('/v1/join-tokens', {})).status).toBe(503);
    rig.etcdLink.restore();
    await rig.ready();
    expect((await rig.rest.get('/v1/policies')).status).toBe(200);
  });

  it('in the middle: reads what it has, refuses writes with 503, and has every change afterwards', async () => {
    rig = await Rig.start();
    const host = await rig.host('web1', { env: 'prod' });
    await rig.rest.post('/v1/apply', blockPolicy('one', '/usr/bin/nc', { env: 'prod' }));
    await host.receives('one');
    await rig.etcd.kill9();
    await eventually('not ready', async () => !(await isReady()));
    expect((await rig.rest.get('/v1/policies/one')).status).toBe(200);
    const refused = await rig.rest.post(
      '/v1/apply',
      blockPolicy('two', '/usr/bin/nmap', { env: 'prod' }),
    );
    expect(refused.status).toBe(503);
    await rig.etcd.restart();
    await rig.ready();
    const applied = await rig.rest.post(
      '/v1/apply',
      blockPolicy('two', '/usr/bin/nmap', { env: 'prod' }),
    );
    expect(applied.status).toBe(200);
    await host.receives('one', 'two');
  });
});

describe('when the control plane is started again', () => {
  it('goes on with what etcd and its store hold, and hosts go on with a later assignment', async () => {
    rig = await Rig.start();
    const host = await rig.host('web1', { env: 'prod' });
    await rig.rest.post('/v1/apply', blockPolicy('one', '/usr/bin/nc', { env: 'prod' }));
    const before = await host.receives('one');
    await host.report('enforced');
    await host.send(alertBatch('one', 1, 2));
    await eventually('alerts', async () => (await host.cursor()) === '1000-0000000002');
    await rig.stopControlPlane();
    await rig.startControlPlane();
    await rig.ready();
    const after = await eventually('renewed', async () => {
      const found = await host.fetch();
      return found && found.assignment.issuedAt > before.assignment.issuedAt && found;
    });
    expect(after.assignment.bundleDigest).toBe(before.assignment.bundleDigest);
    await eventually(
      'status',
      async () => (await rig.rest.get('/v1/policies/one/status')).body['enforcedEverywhere'],
    );
    expect((await rig.rest.get('/v1/alerts')).body['items']).toHaveLength(2);
  });
});

describe('when it is told to stop', () => {
  it('ends open streams and idle connections and is gone within its deadline', async () => {
    rig = await Rig.start();
    const stream = rig.rest.get('/v1/alerts/stream');
    await eventually('open', async () =>
      /hostward_alert_streams 1/.test((await rig.rest.get('/metrics')).text),
    );
    await rig.stopControlPlane();
    expect((await stream).status).toBe(200);
  });
});

describe('what others write to Redis', () => {
  it('changes no status and makes no alert', async () => {
    rig = await Rig.start();
    const host = await rig.host('web1', { env: 'prod' });
    const other = await rig.host('db1', { env: 'prod' });
    await rig.rest.post('/v1/apply', blockPolicy('one', '/usr/bin/nc', { env: 'prod' }));
    await host.receives('one');
    await other.receives('one');
    await other.report('enforced');
    const foreign = await rig.adminRedis.run('reading', (client) =>
      client.getBuffer(`hw:n:${other.nodeId}:state`),
    );
    await host.link.writeState(foreign ?? Buffer.alloc(0));
    await host.link.writeState(Buffer.from('nonsense'));
    await host.link.appendEvents(Buffer.from('nonsense'));
    await eventually('counted', async () =>
      /reports_refused_total\{reason="[a-z-]+"\} [1-9]/.test((await rig.rest.get('/metrics')).text),
    );
    await eventually('other', async () => (await rig.rest.get('/v1/nodes/db1')).body['connected']);
    expect((await rig.rest.get('/v1/nodes/web1')).body['connected']).toBe(false);
    expect((await rig.rest.get('/v1/alerts')).body['items']).toEqual([]);
  });
});
