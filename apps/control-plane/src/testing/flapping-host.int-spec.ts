import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { redisKeys } from '#contracts';
import type { RedisConnection } from '#redis';
import { eventually } from './eventually.js';
import { writtenBy } from './replica-pair.js';
import { Rig, blockPolicy } from './rig.js';
import type { TestHost } from './test-host.js';

const LABELS = { env: 'prod' };
const OTHERS = 10;
const RETURNS = 50;

let rig: Rig;
let others: readonly TestHost[];
let flapping: TestHost;
let nudged: Nudges;
beforeAll(async () => {
  rig = await Rig.start();
  const names = Array.from({ length: OTHERS }, (_, index) => `h${index}`);
  others = await Promise.all(names.map((name) => rig.host(name, LABELS)));
  flapping = await rig.host('flapping', LABELS);
  await rig.rest.post('/v1/apply', blockPolicy('one', '/usr/bin/nc', LABELS));
  await Promise.all([...others, flapping].map((host) => host.receives('one')));
  await nothingWaits();
  nudged = await Nudges.of(others, rig.adminRedis);
});
afterAll(() => rig.stop());

const nothingWaits = () =>
  eventually('nothing waits', async () => {
    return (await rig.rest.get('/readyz')).text.includes('"0 hosts wait');
  });
/** Nudges to these hosts, as Redis passes them on. */
class Nudges {
  readonly of = new Map<string, number>();

  static async of(hosts: readonly TestHost[], redis: RedisConnection): Promise<Nudges> {
    const nudges = new Nudges();
    redis.onMessage((channel) => nudges.of.set(channel, (nudges.of.get(channel) ?? 0) + 1));
    const channels = hosts.map(({ nodeId }) => redisKeys.nudge(nodeId));
    await redis.run('listening', (client) => client.subscribe(...channels));
    return nudges;
  }

  get counts(): readonly number[] {
    return [...this.of.values()];
  }
}

/** Comes back to Redis, says how it stands, and drops the connection, again and again; until its last report was taken. */
async function flaps(): Promise<void> {
  let asOf = '';
  for (let time = 0; time < RETURNS; time += 1) {
    const connection = rig.connectionOf(flapping);
    flapping.attach(connection);
    expect(await flapping.fetch()).toBeDefined();
    ({ asOf } = await flapping.report());
    connection.close();
  }
  await eventually('its last report is taken', async () => {
    return (await rig.rest.get('/v1/nodes/flapping/status')).body['asOf'] === asOf;
  });
}
const assignmentVersions = () =>
  Promise.all(others.map(async ({ link }) => (await link.fetchRecord())?.assignmentVersion));

describe('a host that comes back to Redis again and again', () => {
  it('has nothing written and nobody nudged for it', async () => {
    const [before, written] = [await assignmentVersions(), await writtenBy(rig.rest)];
    await flaps();
    expect(await assignmentVersions()).toEqual(before);
    expect(await writtenBy(rig.rest)).toBe(written);
    expect(nudged.counts).toEqual([]);
  });

  it('delays nothing for the others: a change meanwhile is one write and one nudge of each', async () => {
    const written = await writtenBy(rig.rest);
    const flapped = flaps();
    await rig.rest.post('/v1/apply', blockPolicy('two', '/usr/bin/nmap', LABELS));
    await Promise.all(others.map((host) => host.receives('one', 'two')));
    await flapped;
    flapping.attach(rig.connectionOf(flapping));
    await flapping.receives('one', 'two');
    await nothingWaits();
    expect(await writtenBy(rig.rest)).toBe(written + OTHERS + 1);
    await eventually('all are nudged', () => nudged.of.size === OTHERS);
    expect(nudged.counts).toEqual(others.map(() => 1));
  });
});
