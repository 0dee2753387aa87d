import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from './eventually.js';
import { OrderWatch } from './order-watch.js';
import { ReplicaPair } from './replica-pair.js';
import { blockPolicy } from './rig.js';
import type { TestHost } from './test-host.js';

const HOSTS = 16;
const LABELS = { env: 'prod' };

let pair: ReplicaPair;
let hosts: readonly TestHost[];
beforeAll(async () => {
  pair = await ReplicaPair.start('testing/other-version');
  const names = Array.from({ length: HOSTS }, (_, index) => `h${index}`);
  hosts = await Promise.all(
    names.map((name, index) => pair.rig.host(name, LABELS, pair.rest(index))),
  );
  await quiet();
});
afterAll(() => pair.rig.stop());

const apply = async (index: number, name: string): Promise<void> => {
  const answer = await pair
    .rest(index)
    .post('/v1/apply', blockPolicy(name, `/usr/bin/${name}`, LABELS));
  expect(answer.status).toBe(200);
};
const allReceive = (...names: string[]) =>
  Promise.all(hosts.map((host) => host.receives(...names)));
const assignmentVersions = () =>
  Promise.all(hosts.map(async ({ link }) => (await link.fetchRecord())?.assignmentVersion));
/** How many bundles hosts with the same rule set have. */
const renderings = async (): Promise<number> => {
  const records = await Promise.all(hosts.map(({ link }) => link.fetchRecord()));
  return new Set(records.map((record) => record?.bundleDigest)).size;
};
const written = async (): Promise<number> => {
  const [one, other] = await pair.written();
  return one + other;
};
/** On a machine with other work a host may be written for by both at once. */
const expectAboutOnce = (writes: number): void => {
  expect(writes).toBeGreaterThanOrEqual(HOSTS);
  expect(writes).toBeLessThan(HOSTS * 1.5);
};
/** Hosts take what is there and say so to both, until nobody writes anything more for it. */
async function quiet(): Promise<void> {
  await eventually('nobody writes anything more', async () => {
    await pair.settled();
    const before = await assignmentVersions();
    await Promise.all(hosts.map((host) => host.fetch()));
    const reports = await Promise.all(hosts.map((host) => host.report()));
    for (const rest of pair.rests)
      await eventually('the reports are read', async () => {
        const all = hosts.map(({ name }) => rest.get(`/v1/nodes/${name}/status`));
        const read = (await Promise.all(all)).map(({ body }) => body['asOf']);
        return read.every((asOf, index) => asOf === reports[index]?.asOf);
      });
    await pair.settled();
    return JSON.stringify(await assignmentVersions()) === JSON.stringify(before);
  });
}
const isEnforced = async (name: string): Promise<void> => {
  for (const rest of pair.rests)
    await eventually(`${name} is enforced everywhere`, async () => {
      return (await rest.get(`/v1/policies/${name}/status`)).body['enforcedEverywhere'];
    });
};

describe('two replicas of which one renders otherwise', () => {
  it('write each change once for each host, and say the same of it', async () => {
    const names: string[] = [];
    for (const index of [0, 1, 2]) {
      const before = await written();
      await apply(index, `p${index}`);
      names.push(`p${index}`);
      await allReceive(...names);
      await quiet();
      expectAboutOnce((await written()) - before);
      expect(await renderings()).toBe(2);
      await isEnforced(`p${index}`);
    }
  });

  it('give all hosts the new rendering once the last one is of the new version, once, with no gap and no older order', async () => {
    const { went, gaps, cameBack } = await OrderWatch.during(hosts, async () => {
      await pair.process(0).stop();
      await pair.process(0).start('testing/other-version');
      await pair.replicasAre(2);
      await quiet();
    });
    expect({ went, gaps, cameBack }).toEqual({ went: [], gaps: [], cameBack: [] });
    expect(await renderings()).toBe(1);
    await isEnforced('p2');
    const before = await written();
    await apply(0, 'p3');
    await allReceive('p0', 'p1', 'p2', 'p3');
    await quiet();
    expectAboutOnce((await written()) - before);
    expect(await renderings()).toBe(1);
  });
});
