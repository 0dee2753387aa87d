import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from './eventually.js';
import { OrderWatch } from './order-watch.js';
import { ReplicaPair } from './replica-pair.js';
import { blockPolicy } from './rig.js';
import type { TestHost } from './test-host.js';

const LABELS = { env: 'prod' };

let pair: ReplicaPair;
let hosts: readonly TestHost[];
beforeAll(async () => {
  pair = await ReplicaPair.start();
  hosts = await Promise.all(
    ['a1', 'a2', 'a3'].map((name, index) => pair.rig.host(name, LABELS, pair.rest(index))),
  );
});
afterAll(() => pair.rig.stop());

const apply = (index: number, name: string, path = `/usr/bin/${name}`) =>
  pair.rest(index).post('/v1/apply', blockPolicy(name, path, LABELS));
const allReceive = (...names: string[]) =>
  Promise.all(hosts.map((host) => host.receives(...names)));
const assignmentVersions = () =>
  Promise.all(hosts.map(async ({ link }) => (await link.fetchRecord())?.assignmentVersion));
/** While `work` goes on no host may find an older order than before, or nothing where there was something. */
const neverOlder = async (work: () => Promise<void>): Promise<void> => {
  const { went, gaps, looks } = await OrderWatch.during(hosts, work);
  expect({ went, gaps }).toEqual({ went: [], gaps: [] });
  expect(looks).toBeGreaterThan(20);
};

describe('when a replica stands still, dies, or is started again', () => {
  it('one that wakes up after its lease answers what is true then, and writes nothing', async () => {
    await apply(0, 'before');
    await allReceive('before');
    const made = await pair.rest(0).post('/v1/api-tokens', { name: 'ci', roles: ['viewer'] });
    const token = String(made.body['token']);
    await neverOlder(async () => {
      pair.process(1).freeze();
      const asked = pair.rest(1).get('/v1/policies/after');
      const revoked = pair.rest(1).get('/v1/policies', { token });
      await pair.rest(0).delete(`/v1/api-tokens/${String(made.body['id'])}`);
      for (let round = 0; round < 5; round += 1) await apply(0, 'after', `/usr/bin/after-${round}`);
      await pair.rest(0).delete('/v1/policies/before');
      await allReceive('after');
      await pair.replicasAre(1, [pair.rest(0)]);
      const before = await assignmentVersions();
      pair.process(1).goOn();
      expect((await asked).status).toBe(200);
      expect((await revoked).status).toBe(401);
      await pair.replicasAre(2);
      await pair.settled();
      expect(await assignmentVersions()).toEqual(before);
    });
  });

  it.each([0, 1])('after kill -9 of replica %i the other one goes on', async (killed) => {
    await neverOlder(async () => {
      await pair.process(killed).kill();
      await apply(killed + 1, `alone-${killed}`);
      await allReceive('after', `alone-${killed}`);
      await pair.process(killed).start();
      await pair.settled();
      await pair.rest(killed).delete(`/v1/policies/alone-${killed}`);
      await allReceive('after');
    });
  });

  it('a rolling restart under a stream of changes loses none and gives no host an older order', async () => {
    await neverOlder(async () => {
      const over = new AbortController();
      const stream = changes(over.signal);
      for (const process of pair.processes) {
        await process.stop();
        await process.start();
        await pair.replicasAre(2);
      }
      over.abort();
      const last = await stream;
      await allReceive('after', 'stream');
      for (const rest of pair.rests)
        expect((await rest.get('/v1/policies/stream')).text).toContain(`/usr/bin/stream-${last}`);
      expect(last).toBeGreaterThan(5);
    });
  });
});

/** Changes one policy again and again, by both or by the one that answers; the number of the last change. */
async function changes(signal: AbortSignal): Promise<number> {
  for (let number = 0; ; number += 1) {
    await eventually('taken by a replica', async () => {
      const answers = [0, 1].map(async (index) => {
        const answer = await apply(index, 'stream', `/usr/bin/stream-${number}`).catch(() => null);
        return answer?.status === 200;
      });
      return (await Promise.all(answers)).some(Boolean);
    });
    if (signal.aborted) return number;
  }
}
