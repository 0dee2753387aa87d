import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { limits } from '#bundle';
import { etcdKeys } from '#etcd';
import { FleetState } from '../store/fleet-state.js';
import { eventually } from '../testing/eventually.js';
import {
  changes,
  hostPolicy,
  nodeRecord,
  policyRecord,
  put,
  putChannelKey,
  putNode,
  putPolicy,
  snapshot,
  testKeks,
} from '../testing/records.js';
import { DeliveredState } from './delivered-state.js';
import { DeliveryLoop } from './delivery-loop.js';
import {
  channel,
  deliverWith,
  IDS,
  logged,
  loop,
  madeKeys,
  nextRoot,
  assignmentVersion,
  parts,
  policy,
  rootVersion,
  settled,
  state,
  take,
  threeHosts,
  trust,
  useDelivery,
} from './fixtures/delivery-under-test.js';

useDelivery();

/** Another replica that knows more writes for this host. */
async function aheadOf(nodeId: string, revision = 12n): Promise<void> {
  const node = putNode(nodeRecord('ahead', { a: 'b' }, nodeId));
  const ahead = new FleetState(testKeks);
  const more = [policy('p'), policy('q'), policy('r')];
  ahead.apply(snapshot(revision, node, putChannelKey(nodeId), ...more));
  const other = new DeliveryLoop({ ...parts, state: ahead, delivered: new DeliveredState() });
  other.everything();
  const generation = () => channel.there.get(nodeId)?.assignmentVersion.generation;
  await eventually('written', () => generation() === String(revision));
  await other.stop();
}

describe('delivery', () => {
  it('gives hosts with one rule set one bundle, at the generation that was read', async () => {
    await threeHosts();
    expect(channel.there.size).toBe(3);
    expect(channel.bundles.size).toBe(2);
    expect(assignmentVersion(0)).toMatchObject({ epoch: '1', generation: '10' });
  });

  it('leaves hosts what they have while a fleet that became authored has no signed policy', async () => {
    const { root, earlierRoots, online } = parts.trust;
    const authored = { root, earlierRoots, online, authored: true };
    await deliverWith({ trust: authored });
    const nodes = IDS.map((id, index) => putNode(nodeRecord(`n${index}`, { a: 'b' }, id)));
    take(snapshot(10n, ...nodes, ...IDS.map((id) => putChannelKey(id)), policy('p')));
    await eventually('it says so', () =>
      logged.some((line) => line.includes('no policy is signed')),
    );
    expect(loop.awaitsAuthors).toBe(true);
    expect([channel.writes, loop.waiting]).toEqual([0, IDS.length]);
  });

  it('rewrites only the hosts that a change affects', async () => {
    await threeHosts();
    const before = channel.writes;
    take(changes(11n, [policy('q')]));
    await settled();
    expect(channel.writes - before).toBe(2);
    expect([assignmentVersion(0)?.generation, assignmentVersion(2)?.generation]).toEqual([
      '11',
      '10',
    ]);
    take(changes(12n, [putNode(nodeRecord('n0', { a: 'b', unrelated: 'x' }, IDS[0]))]));
    await settled();
    expect(channel.writes - before).toBe(2);
  });

  it('gives a host few assignments in a burst of changes, and the last within 160 ms', async () => {
    await threeHosts();
    jest.useFakeTimers();
    try {
      await jest.advanceTimersByTimeAsync(1_000);
      const { writes } = channel;
      for (let change = 1; change <= 100; change += 1) {
        take(changes(BigInt(10 + change), [policy('p', `/bin/${change}`)]));
        await jest.advanceTimersByTimeAsync(10);
      }
      await jest.advanceTimersByTimeAsync(150);
      // It selects two hosts.
      expect(channel.writes - writes).toBeLessThanOrEqual(2 * 10);
      expect(assignmentVersion(0)?.generation).toBe('110');
      await jest.advanceTimersByTimeAsync(1_000);
      take(changes(111n, [policy('p', '/bin/after')]));
      await jest.advanceTimersByTimeAsync(20);
      expect(assignmentVersion(0)?.generation).toBe('111');
    } finally {
      jest.useRealTimers();
    }
  });

  it('tries a rule set beyond a limit once for all its hosts, and says why they keep what they have', async () => {
    await threeHosts();
    const { built } = parts.bundles;
    const many = Array.from({ length: limits.policiesPerBundle }, (_, at) => policy(`q${at}`));
    take(changes(11n, many));
    const other = putPolicy(policyRecord(hostPolicy('r', { c: 'd' })));
    take(changes(12n, [putNode(nodeRecord('n2', { c: 'd' }, IDS[2])), other]));
    await eventually('n2 has it', () => assignmentVersion(2)?.generation === '12');
    await settled();
    expect(parts.bundles.built - built).toBe(2);
    expect([assignmentVersion(0)?.generation, assignmentVersion(1)?.generation]).toEqual([
      '10',
      '10',
    ]);
    expect([loop.unbundled('n0'), loop.unbundled('n2')]).toEqual([
      `bundle: more than ${limits.policiesPerBundle} documents of kind policy`,
      undefined,
    ]);
    expect(logged.filter((line) => line.includes('cannot be bundled'))).toHaveLength(2);
    take(changes(13n, [], [etcdKeys.policy('q0')]));
    await settled();
    expect([assignmentVersion(0)?.generation, loop.unbundled('n0')]).toEqual(['13', undefined]);
  });

  it('tries again until it succeeds, and forgets nothing meanwhile', async () => {
    channel.failures = 3;
    await threeHosts();
    expect(channel.there.size).toBe(3);
  });

  it('writes something newer where no answer told what became of the last, though it is to have what it had before', async () => {
    await threeHosts();
    const before = channel.there.get(IDS[0] ?? '')?.bundleDigest;
    // It reaches the hosts, and what it was for is gone before it is tried again.
    channel.beforeAnswer = () => {
      channel.beforeAnswer = () => undefined;
      loop.mark(state.apply(changes(12n, [], ['/hostward/v1/policy/q'])));
      throw new Error('cut');
    };
    take(changes(11n, [policy('q')]));
    await settled();
    expect(assignmentVersion(0)?.generation).toBe('12');
    expect(channel.there.get(IDS[0] ?? '')?.bundleDigest).toBe(before);
  });

  it('leaves no host under the root document of before, when the next one comes in the middle of a round', async () => {
    await threeHosts();
    channel.whileBundleIsPut = () => {
      channel.whileBundleIsPut = () => undefined;
      trust.follow(nextRoot());
      loop.everything();
    };
    take(changes(11n, [policy('q')]));
    await settled();
    expect([...channel.there.values()].map(({ root }) => rootVersion(root))).toEqual([2, 2, 2]);
  });

  it('writes and removes nothing while a record cannot be read, and goes on once it can', async () => {
    await threeHosts();
    const { writes } = channel;
    const held = structuredClone([...channel.there]);
    loop.mark(state.apply(changes(11n, [put(etcdKeys.policy('q'), { v: 2 }), policy('r')])));
    loop.everything();
    loop.lookAfter();
    await setTimeout(500);
    expect([channel.writes - writes, [...channel.there], loop.waiting]).toEqual([0, held, 3]);
    take(changes(12n, [policy('q')]));
    await settled();
    expect(channel.writes - writes).toBe(2);
  });

  it('asks for the key of a host that has none and delivers when it comes', async () => {
    take(snapshot(5n, putNode(nodeRecord('new', { a: 'b' }, IDS[0])), policy('p')));
    await settled();
    expect([madeKeys, channel.there.size]).toEqual([['new'], 0]);
    take(changes(6n, [putChannelKey(IDS[0] ?? '')]));
    await settled();
    expect(channel.there.size).toBe(1);
  });

  it('delivers to a host whose key another replica made while others were written for', async () => {
    await threeHosts();
    const id = '4'.repeat(64);
    channel.beforeAnswer = () => {
      channel.beforeAnswer = () => undefined;
      take(changes(12n, [putChannelKey(id)]));
    };
    take(changes(11n, [policy('q'), putNode(nodeRecord('new', { a: 'b' }, id))]));
    await settled();
    expect([madeKeys, channel.there.has(id)]).toEqual([[], true]);
  });

  it('lets a change go between the keys of a fleet that has none of this epoch', async () => {
    await threeHosts();
    const made: number[] = [];
    const other = new DeliveryLoop({
      ...parts,
      delivered: new DeliveredState(),
      makeChannelKeys: (nodes) => {
        made.push(nodes.length);
        if (made.length === 1) other.mark(state.apply(changes(12n, [policy('q')])));
        else if (made.length === 2) expect(assignmentVersion(0)?.generation).toBe('12');
        return Promise.resolve();
      },
    });
    const ids = Array.from({ length: 2_500 }, (_, index) => String(index).padStart(64, '0'));
    const nodes = ids.map((id, index) => putNode(nodeRecord(`m${index}`, {}, id)));
    other.mark(state.apply(changes(11n, nodes)));
    await eventually('nothing waits', () => other.waiting === 0);
    await other.stop();
    expect(made).toEqual([1_000, 1_000, 500]);
    expect(assignmentVersion(0)?.generation).toBe('12');
  });

  it('seals what it worked out at that revision, whatever comes while keys are made', async () => {
    await threeHosts();
    const makeChannelKeys = (): Promise<void> => {
      state.apply(changes(12n, [policy('r')]));
      return Promise.resolve();
    };
    const other = new DeliveryLoop({ ...parts, delivered: new DeliveredState(), makeChannelKeys });
    const keyless = putNode(nodeRecord('new', { a: 'b' }, '4'.repeat(64)));
    other.mark(state.apply(changes(11n, [policy('q'), keyless])));
    await eventually('nothing waits', () => other.waiting === 0);
    await other.stop();
    expect(channel.there.get(IDS[0] ?? '')?.assignmentVersion.generation).toBe('11');
  });

  it('delivers nothing to a host that is only declared', async () => {
    take(snapshot(5n, putNode(nodeRecord('declared', { a: 'b' })), policy('p')));
    await settled();
    expect(channel.there.size).toBe(0);
  });

  it('delivers to all others when a replica is ahead for one host, however many there are', async () => {
    const ids = Array.from({ length: 450 }, (_, index) => String(index).padStart(64, '0'));
    const nodes = ids.map((id, index) => putNode(nodeRecord(`m${index}`, { a: 'b' }, id)));
    take(snapshot(10n, ...nodes, ...ids.map((id) => putChannelKey(id)), policy('p')));
    await settled();
    const first = ids[0] ?? '';
    await aheadOf(first);
    take(changes(11n, [policy('q')]));
    const generations = () =>
      ids.slice(1).map((id) => channel.there.get(id)?.assignmentVersion.generation);
    await eventually('all others have it', () => generations().every((each) => each === '11'));
    expect(channel.there.get(first)?.assignmentVersion.generation).toBe('12');
  });

  describe('while something is in the way of one host that it cannot write over', () => {
    beforeEach(async () => {
      // The longest time between tries.
      jest.spyOn(Math, 'random').mockReturnValue(0.999);
      await deliverWith({});
      await threeHosts();
      loop.everything();
      await settled();
      await aheadOf(IDS[0] ?? '', 1_000n);
      take(changes(11n, [policy('q')]));
      const failures = () => logged.filter((line) => line.includes('delivery failed')).length;
      await eventually('tried again and again', () => failures() > 4, 20_000);
    });
    afterEach(() => void jest.restoreAllMocks());
    const isThere = () => assignmentVersion(0)?.generation === '1000';

    it('writes for others without a delay', async () => {
      const waited: number[] = [];
      for (let generation = 12; generation < 16; generation += 1) {
        const label = { a: String(generation) };
        const beganMs = performance.now();
        take(changes(BigInt(generation), [putNode(nodeRecord('n1', label, IDS[1]))]));
        take(changes(BigInt(generation), [putPolicy(policyRecord(hostPolicy('only', label)))]));
        await eventually('written', () => assignmentVersion(1)?.generation === String(generation));
        waited.push(performance.now() - beganMs);
      }
      expect(Math.max(...waited)).toBeLessThan(1_000);
      expect(isThere()).toBe(true);
    });

    it('removes what a host that is gone has left', async () => {
      take(changes(11n, [], ['/hostward/v1/node/n2']));
      await eventually('removed', () => !channel.there.has(IDS[2] ?? ''), 5_000);
      expect(isThere()).toBe(true);
    });

    it('asks for the keys of new hosts', async () => {
      take(changes(11n, [putNode(nodeRecord('new', { a: 'b' }, '4'.repeat(64)))]));
      await eventually('asked', () => madeKeys.includes('new'), 5_000);
    });

    it('puts back what vanished of others, and removes no bundle', async () => {
      const bundles = new Set(channel.bundles);
      for (let look = 1; look <= 3; look += 1) {
        channel.there.delete(IDS[1] ?? '');
        loop.lookAfter();
        await eventually('put back', () => assignmentVersion(1), 5_000);
      }
      expect(channel.bundles.isSupersetOf(bundles)).toBe(true);
    });
  });
});
