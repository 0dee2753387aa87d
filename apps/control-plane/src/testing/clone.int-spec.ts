import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from './eventually.js';
import { Rig, blockPolicy } from './rig.js';
import { alertBatch } from './alerts.js';
import type { TestHost } from './test-host.js';

/** Of the sweep. */
const TURN_MS = 1_000;

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
  await rig.rest.post('/v1/apply', blockPolicy('p', '/usr/bin/nc', { fleet: 'copied' }));
});
afterAll(() => rig.stop());

const phase = async (name: string): Promise<unknown> =>
  (await rig.rest.get(`/v1/nodes/${name}`)).body['phase'];
const asOf = async (name: string): Promise<unknown> =>
  (await rig.rest.get(`/v1/nodes/${name}/status`)).body['asOf'];

/** Reports, and waits until that was read: a state is a last value, and the next one would cover it. */
async function heard(host: TestHost, count = true): Promise<void> {
  const refused = await clonesRefused();
  const report = await host.report();
  await eventually('the report was read', async () => {
    if (!count) return (await clonesRefused()) > refused;
    return (await asOf(host.name)) === report.asOf;
  });
}

async function clonesRefused(): Promise<number> {
  const { text } = await rig.rest.get('/metrics');
  return Number(/hostward_reports_refused_total\{reason="clone"\} (\d+)/.exec(text)?.[1] ?? 0);
}

describe('two machines with one identity', () => {
  let host: TestHost;
  let copy: TestHost;
  beforeAll(async () => {
    host = await rig.host('copied', { fleet: 'copied' });
    await host.receives('p');
    await heard(host);
    copy = host.twin();
    copy.attach(rig.connectionOf(copy));
    await copy.receives('p');
  });

  it('are found, told to the operator with both names, recorded in the audit log once and counted', async () => {
    await eventually('cloned', async () => {
      // A state is a last value: each is given the time of an answer to be read in.
      await copy.report();
      await asOf('copied');
      await host.report();
      await asOf('copied');
      return (await phase('copied')) === 'cloned';
    });
    const status = await rig.rest.get('/v1/nodes/copied/status');
    expect(status.body['conditions']).toEqual(['cloned']);
    expect(status.text).toContain('two machines report under this identity: copied (agent started');
    const auditLog = await rig.rest.get('/v1/audit-log?limit=100');
    expect(auditLog.text.match(/"node\.cloned"/g)).toHaveLength(1);
    expect((await rig.rest.get('/metrics')).text).toContain('hostward_clones_found_total 1');
  });

  it('count once: the reports of the one that was seen later are refused', async () => {
    await heard(host);
    await heard(copy, false);
    const last = await asOf('copied');
    await heard(copy, false);
    expect(await asOf('copied')).toBe(last);
    await heard(host);
  });

  it('count once with their events: those of the other are neither stored nor acknowledged', async () => {
    const refused = 'hostward_event_batches_refused_total{reason="clone"}';
    const alerts = async () => (await rig.rest.get('/v1/alerts')).text;
    await copy.send(alertBatch('of-the-copy', 1, 2));
    await eventually('the batch was refused', async () =>
      (await rig.rest.get('/metrics')).text.includes(`${refused} 1`),
    );
    expect(await copy.cursor()).toBeUndefined();
    await host.send(alertBatch('of-the-original', 1, 2));
    await eventually('stored', async () => (await alerts()).includes('of-the-original'));
    expect(await alerts()).not.toContain('of-the-copy');
  });

  it('keep no promise together, whatever both of them say', async () => {
    const { body } = await rig.rest.get('/v1/policies/p/status');
    expect(body['enforcedEverywhere']).toBe(false);
  });

  it('are told apart as before by a control plane that was started anew', async () => {
    await rig.stopControlPlane();
    await rig.startControlPlane();
    await rig.ready();
    expect(await phase('copied')).toBe('cloned');
    await heard(copy, false);
    await heard(host);
  });

  it('are one again once the name was freed and a host enrolled under it anew', async () => {
    await rig.rest.delete('/v1/nodes/copied');
    const successor = await rig.host('copied', { fleet: 'copied' });
    await successor.receives('p');
    await heard(successor);
    expect(await phase('copied')).toBe('enrolled');
    const again = await rig.rest.post('/v1/enroll', await copy.request(''), { token: null });
    expect(again.status).toBe(403);
  });
});

describe('two machines with one identity in a large fleet, whose reports are quiet', () => {
  it('are found as soon as both have been heard once, though a sweep of all takes half a minute', async () => {
    const host = await rig.host('twice', { fleet: 'copied' });
    await host.receives('p');
    await heard(host);
    for (let number = 0; number < 40; number += 1) await rig.host(`other-${number}`);
    const copy = host.twin();
    copy.attach(rig.connectionOf(copy));
    await copy.receives('p');
    await heard(copy);
    host.isQuiet = copy.isQuiet = true;
    const since = Date.now();
    for (const each of [host, copy, host, copy, host, copy, host]) {
      await each.report();
      await delay(2 * TURN_MS);
    }
    await eventually('cloned', async () => (await phase('twice')) === 'cloned');
    expect(Date.now() - since).toBeLessThan(25 * TURN_MS);
  });
});

describe('one machine', () => {
  it('is no clone for its agent being started anew, nor for Redis being emptied', async () => {
    const host = await rig.host('ordinary', { fleet: 'copied' });
    await host.receives('p');
    await heard(host);
    const again = host.twin();
    again.attach(rig.connectionOf(again));
    await again.receives('p');
    for (let round = 0; round < 4; round += 1) await heard(again);
    await rig.adminRedis.run('emptying', (client) => client.flushall());
    await again.receives('p');
    for (let round = 0; round < 4; round += 1) await heard(again);
    expect(await phase('ordinary')).toBe('enrolled');
  });
});
