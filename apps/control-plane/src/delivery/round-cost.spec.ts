import { beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../testing/eventually.js';
import {
  changes,
  hostPolicy,
  nodeRecord,
  policyRecord,
  putChannelKey,
  putNode,
  putPolicy,
  snapshot,
} from '../testing/records.js';
import { stepsUntil } from '../testing/steps.js';
import { channel, loop, take, useDelivery } from './fixtures/delivery-under-test.js';

const HOSTS = 4_000;
/** Of one host, and far from one look at all of them; the test's own waiting counts too. */
const FEW = 1_500;

const idOf = (at: number): string => (at + 1).toString(16).padStart(64, '0');
const host = (at: number, labels: Record<string, string> = {}) =>
  putNode(nodeRecord(`n${at}`, { a: 'b', ...labels }, idOf(at)));
const generationOf = (at: number): string | undefined =>
  channel.there.get(idOf(at))?.assignmentVersion.generation;
const written = (at: number, generation: number) => (): Promise<true> =>
  eventually('it is written', () => generationOf(at) === String(generation));

useDelivery();
beforeEach(async () => {
  const all = Array.from({ length: HOSTS }, (_, at) => at);
  const policies = [
    putPolicy(policyRecord(hostPolicy('all', { a: 'b' }))),
    putPolicy(policyRecord(hostPolicy('one', { only: 'here' }))),
  ];
  take(
    snapshot(
      10n,
      ...all.map((at) => host(at)),
      ...all.map((at) => putChannelKey(idOf(at))),
      ...policies,
    ),
  );
  await eventually('all are written', () => loop.waiting === 0);
}, 120_000);

describe('among 4,000 hosts a round of delivery costs the hosts that it is for', () => {
  it('when labels of one change', async () => {
    const { writes } = channel;
    const steps = await stepsUntil(() => {
      take(changes(11n, [host(7, { only: 'here' })]));
      return written(7, 11)();
    });
    expect([channel.writes - writes, generationOf(8)]).toEqual([1, '10']);
    expect(steps).toBeLessThan(FEW);
  });

  it('when one says that it has something later', async () => {
    const { issuedAt = 0 } = channel.there.get(idOf(9))?.assignmentVersion ?? {};
    const seen = { epoch: '1', generation: '10', issuedAt: issuedAt + 5_000 };
    const steps = await stepsUntil(async () => {
      loop.told(idOf(9), seen);
      await eventually('something later is written', () => {
        return (channel.there.get(idOf(9))?.assignmentVersion.issuedAt ?? 0) > seen.issuedAt;
      });
    });
    expect(steps).toBeLessThan(FEW);
  });
});
