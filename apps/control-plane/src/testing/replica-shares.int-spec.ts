import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DeliveryWriter } from '#redis';
import { eventually } from './eventually.js';
import { ReplicaPair, writtenBy } from './replica-pair.js';
import { blockPolicy } from './rig.js';
import type { Rest } from './rest.js';
import { TestHost } from './test-host.js';

const HOSTS = 200;
const AT_ONCE = 10;
const LABELS = { env: 'prod' };
/** On a machine with other work an owner may be late, and somebody else writes for it. */
const A_FEW = HOSTS / 5;

let pair: ReplicaPair;
let hosts: readonly TestHost[];
beforeAll(async () => {
  pair = await ReplicaPair.start();
  hosts = await enrolled();
  await pair.settled();
});
afterAll(() => pair.rig.stop());

async function enrolled(): Promise<readonly TestHost[]> {
  const made = await pair.rest(0).post('/v1/join-tokens', { labels: LABELS, uses: HOSTS });
  const token = String(made.body['token']);
  const all = Array.from({ length: HOSTS }, (_, index) => {
    return new TestHost(`h${index}`, pair.rest(index));
  });
  const left = all.values();
  const enrol = async (): Promise<void> => {
    for (const host of left)
      await eventually('enrolled', async () => (await host.enroll(token)).status === 200);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, enrol));
  return all;
}

const seen: string[] = [];
/** Applies a policy of all hosts, and waits until each has the bundle that is made of it. */
async function change(rest: Rest, path: string): Promise<void> {
  expect((await rest.post('/v1/apply', blockPolicy('p', path, LABELS))).status).toBe(200);
  const channel = new DeliveryWriter(pair.rig.adminRedis);
  const found = await eventually('all hosts have the new bundle', async () => {
    const records = await channel.records(hosts.map(({ nodeId }) => nodeId));
    const digests = [...new Set(records.map((record) => record?.bundleDigest ?? 'none'))];
    const [digest = 'none'] = digests;
    return digests.length === 1 && ![...seen, 'none'].includes(digest) && digest;
  });
  seen.push(found);
}

describe('200 hosts and two replicas', () => {
  it('are divided about evenly, and each is written once for a change, by whichever it was told', async () => {
    for (const [index, rest] of pair.rests.entries()) {
      const before = await pair.written();
      await change(rest, `/usr/bin/even-${index}`);
      await pair.settled();
      const after = await pair.written();
      const [one, other] = [after[0] - before[0], after[1] - before[1]];
      expect(one + other).toBeGreaterThanOrEqual(HOSTS);
      expect(one + other).toBeLessThan(HOSTS + A_FEW);
      expect(Math.abs(one - other)).toBeLessThan(2 * A_FEW);
    }
  });

  it('are all delivered to after kill -9 of one, before its lease is over and after', async () => {
    const [, left] = pair.rests;
    await pair.process(0).kill();
    await change(left, '/usr/bin/killed');
    await pair.replicasAre(1, [left]);
    await pair.settled([left]);
    const before = await writtenBy(left);
    await change(left, '/usr/bin/alone');
    await pair.settled([left]);
    expect(await writtenBy(left)).toBe(before + HOSTS);
  });

  it('get nothing written anew when one comes back, nor when one leaves in order', async () => {
    const [one] = pair.rests;
    await pair.process(0).start();
    await pair.replicasAre(2);
    await pair.settled();
    await pair.process(1).stop();
    await pair.replicasAre(1, [one]);
    await pair.settled([one]);
    await pair.process(1).start();
    await pair.replicasAre(2);
    await pair.settled();
    for (const count of await pair.written()) expect(count).toBeLessThan(A_FEW);
    await change(one, '/usr/bin/both-again');
  });
});
