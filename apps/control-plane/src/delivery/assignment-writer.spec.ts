import { beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../testing/eventually.js';
import { changes, nodeRecord, putChannelKey, putNode, snapshot } from '../testing/records.js';
import { ASSIGNMENT_VALID_MS } from './assignment-plan.js';
import { DeliveredState } from './delivered-state.js';
import { DeliveryLoop } from './delivery-loop.js';
import {
  delivered,
  channel,
  clock,
  IDS,
  loop,
  assignmentVersion,
  otherShelf,
  parts,
  policy,
  settled,
  state,
  take,
  threeHosts,
  useDelivery,
} from './fixtures/delivery-under-test.js';

useDelivery();

describe('delivery over a channel that loses what it held', () => {
  it('writes everything anew when the channel was emptied, also in the middle of a round', async () => {
    await threeHosts();
    channel.beforeAnswer = () => {
      channel.beforeAnswer = () => undefined;
      channel.there.clear();
      loop.everything();
    };
    take(changes(11n, [policy('q')]));
    await eventually('all there', () => channel.there.size === 3 && loop.waiting === 0);
    expect([...channel.there.keys()].sort()).toEqual(IDS);
  });

  it('writes everything anew when the channel was emptied between a bundle and what names it', async () => {
    await threeHosts();
    channel.whileBundleIsPut = () => {
      channel.whileBundleIsPut = () => undefined;
      channel.there.clear();
      channel.bundles.clear();
      loop.everything();
    };
    take(changes(11n, [policy('q')]));
    await settled();
    expect([...channel.there.keys()].sort()).toEqual(IDS);
    const named = [...channel.there.values()].map(({ bundleDigest }) => bundleDigest);
    expect(named.filter((digest) => !channel.bundles.has(digest))).toEqual([]);
  });

  it('writes what the channel lost as hosts know it, and only what has changed since as something newer', async () => {
    await threeHosts();
    take(changes(11n, [putNode(nodeRecord('n1', { a: 'c' }, IDS[1]))]));
    await settled();
    const before = IDS.map((_, index) => assignmentVersion(index));
    channel.there.clear();
    clock.now += 60_000;
    take(changes(12n, [putNode(nodeRecord('n1', { a: 'b' }, IDS[1]))]));
    loop.everything();
    await settled();
    expect([assignmentVersion(0), assignmentVersion(2)]).toEqual([before[0], before[2]]);
    expect(assignmentVersion(1)).toEqual({ epoch: '1', generation: '12', issuedAt: clock.now });
  });

  it('writes something newer where a host may have had another since, though it is to have the same again', async () => {
    await threeHosts();
    const before = assignmentVersion(0);
    // It reaches the hosts, and no answer tells of it.
    channel.beforeAnswer = () => {
      channel.beforeAnswer = () => undefined;
      channel.there.clear();
      channel.failures = 1;
      state.apply(changes(12n, [], ['/hostward/v1/policy/q']));
      loop.everything();
    };
    clock.now += 60_000;
    take(changes(11n, [policy('q')]));
    await settled();
    expect(assignmentVersion(0)?.generation).toBe('12');
    expect(assignmentVersion(0)?.issuedAt).toBeGreaterThan(before?.issuedAt ?? 0);
    expect(assignmentVersion(2)?.generation).toBe('10');
  });

  it('writes what the channel lost also where it has an older one of the same', async () => {
    await threeHosts();
    const older = new Map(channel.there);
    take(changes(11n, [policy('q')]));
    await settled();
    take(changes(12n, [], ['/hostward/v1/policy/q']));
    await settled();
    const before = IDS.map((_, index) => assignmentVersion(index));
    for (const [id, record] of older) channel.there.set(id, record);
    clock.now += 60_000;
    loop.everything();
    await settled();
    expect(IDS.map((_, index) => assignmentVersion(index))).toEqual(before);
    expect(IDS.map((id) => delivered.get(id)?.assignmentVersion)).toEqual(before);
  });

  it('writes something newer when half of the time of what was lost is over', async () => {
    await threeHosts();
    channel.there.clear();
    clock.now += ASSIGNMENT_VALID_MS / 2;
    loop.everything();
    await settled();
    expect(assignmentVersion(0)?.issuedAt).toBe(clock.now);
  });

  describe('with more hosts than are written at a time', () => {
    const ids = Array.from({ length: 450 }, (_, index) => String(index).padStart(64, '0'));
    let written: number[];
    let read: number[];
    beforeEach(async () => {
      const nodes = ids.map((id, index) => putNode(nodeRecord(`m${index}`, { a: 'b' }, id)));
      take(snapshot(10n, ...nodes, ...ids.map((id) => putChannelKey(id)), policy('p')));
      await settled();
      [written, read] = [[], []];
      const [write, records] = [channel.write.bind(channel), channel.records.bind(channel)];
      channel.write = (parcels) => {
        if (parcels.length > 0) written.push(parcels.length);
        return write(parcels);
      };
      channel.records = (nodeIds) => {
        read.push(nodeIds.length);
        return records(nodeIds);
      };
    });

    it('writes nothing to a channel that was changed for another which has it all, and reads as many at a time', async () => {
      loop.everything();
      await settled();
      expect([written, read]).toEqual([[], [200, 200, 50]]);
    });

    it('reads what is in their way as many at a time, and opens a bundle once for these', async () => {
      const other = new DeliveryLoop({
        ...parts,
        bundles: otherShelf(),
        delivered: new DeliveredState(),
      });
      const affected = state.apply(changes(11n, [policy('q')]));
      other.mark(affected);
      await eventually('written', () => other.waiting === 0);
      await other.stop();
      // Whoever opens a bundle asks for its length, more than once.
      let looks = 0;
      const bundle = channel.bundle.bind(channel);
      channel.bundle = async (digest) => {
        const bytes = Buffer.from((await bundle(digest)) ?? []);
        const { byteLength } = bytes;
        const get = () => {
          looks += 1;
          return byteLength;
        };
        return Object.defineProperty(bytes, 'byteLength', { get });
      };
      read = [];
      loop.mark(affected);
      await settled();
      expect(looks).toBeLessThan(20);
      expect(read).toEqual([200, 200, 50]);
      expect(delivered.get(ids[0] ?? '')?.bundleDigest).toBe(
        channel.there.get(ids[0] ?? '')?.bundleDigest,
      );
    });

    it('goes on with nothing that was sealed for a channel that was emptied since', async () => {
      const empty = () => {
        channel.there.clear();
        loop.everything();
      };
      channel.beforeAnswer = () => {
        channel.beforeAnswer = () => undefined;
        empty();
      };
      empty();
      await settled();
      expect(written).toEqual([200, 200, 200, 50]);
      expect([...channel.there.keys()].sort()).toEqual(ids);
    });

    it('goes on with nothing newer either', async () => {
      channel.beforeAnswer = () => {
        channel.beforeAnswer = () => undefined;
        channel.there.clear();
        loop.everything();
      };
      take(changes(11n, [policy('q')]));
      await settled();
      expect(written).toEqual([200, 200, 200, 50]);
      expect([...channel.there.keys()].sort()).toEqual(ids);
    });
  });
});
