import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { WatchMessage } from '#etcd';
import { eventually } from '../testing/eventually.js';
import { changes } from '../testing/records.js';
import { ASSIGNMENT_VALID_MS } from './assignment-plan.js';
import { DeliveredState } from './delivered-state.js';
import { DeliveryLoop } from './delivery-loop.js';
import {
  channel,
  clock,
  IDS,
  logged,
  loop,
  assignmentVersion,
  parts,
  policy,
  settled,
  state,
  threeHosts,
  useDelivery,
} from './fixtures/delivery-under-test.js';

useDelivery();

describe('delivery with another replica', () => {
  /** Hosts that are the other one's; both know the same. */
  const theirs = new Set<string>();
  let mine: DeliveryLoop;
  let delivered: DeliveredState;
  beforeEach(async () => {
    theirs.clear();
    for (const id of IDS.slice(1)) theirs.add(id);
    delivered = new DeliveredState();
    mine = new DeliveryLoop({ ...parts, delivered, replicas: { owns: (id) => !theirs.has(id) } });
    await threeHosts();
    mine.everything();
    await nothingWaits();
  });
  afterEach(() => mine.stop());

  const nothingWaits = () => eventually('nothing waits here', () => mine.waiting === 0);
  const generations = () => IDS.map((_, index) => assignmentVersion(index)?.generation);
  /** Both are told of a change, the other one only where `told` says so. */
  const both = (message: WatchMessage, told = true): void => {
    const affected = state.apply(message);
    if (told) loop.mark(affected);
    mine.mark(affected);
  };

  it('writes at once what is its own, and takes over what the owner of the others has written', async () => {
    const { writes } = channel;
    both(changes(11n, [policy('q')]));
    await nothingWaits();
    // n2 is not selected; n0 is this one's, and n1 was written by its owner.
    expect(generations()).toEqual(['11', '11', '10']);
    expect(delivered.get(IDS[1] ?? '')?.assignmentVersion).toEqual(assignmentVersion(1));
    expect(channel.writes - writes).toBeLessThanOrEqual(3);
  });

  it('writes what the owner of a host leaves waiting', async () => {
    both(changes(11n, [policy('q')]), false);
    await eventually('its own at once', () => assignmentVersion(0)?.generation === '11');
    expect(assignmentVersion(1)?.generation).toBe('10');
    await nothingWaits();
    expect(generations()).toEqual(['11', '11', '10']);
    expect(logged.some((line) => line.includes('left waiting'))).toBe(true);
  });

  it('seals what it worked out at that revision, whatever comes while it looks', async () => {
    both(changes(11n, [policy('q')]), false);
    await eventually('its own at once', () => assignmentVersion(0)?.generation === '11');
    channel.whileRecordsAreRead = () => {
      if (state.revision === 11n) state.apply(changes(12n, [policy('r')]));
    };
    const digests = new Set<string | undefined>();
    channel.beforeAnswer = () => {
      const there = channel.there.get(IDS[1] ?? '');
      if (there?.assignmentVersion.generation === '12') digests.add(there.bundleDigest);
    };
    theirs.clear();
    mine.takeOver((id) => id === IDS[1]);
    await nothingWaits();
    expect([...digests]).toEqual([parts.bundles.of(state.activePolicies('n1')).digest]);
  });

  it('does not let its own wait for a look at those of others', async () => {
    both(changes(11n, [policy('q')]), false);
    await eventually('its own at once', () => assignmentVersion(0)?.generation === '11');
    both(changes(12n, [policy('r')]), false);
    await eventually('its own at once', () => assignmentVersion(0)?.generation === '12');
    expect(assignmentVersion(1)?.generation).toBe('10');
  });

  it('writes nothing when it takes hosts over that have what they are to have', async () => {
    const { writes } = channel;
    theirs.clear();
    mine.takeOver((id) => id !== IDS[0]);
    await nothingWaits();
    expect(channel.writes).toBe(writes);
    expect(delivered.get(IDS[1] ?? '')?.assignmentVersion).toEqual(assignmentVersion(1));
  });

  it('knows what hosts have that it takes over, while it has not looked yet', async () => {
    const had = IDS.map((id) => delivered.get(id)?.assignmentVersion);
    channel.records = () => Promise.reject(new Error('cut'));
    theirs.clear();
    mine.takeOver((id) => id !== IDS[0]);
    await eventually('it tries', () => logged.some((line) => line.includes('delivery failed')));
    expect(IDS.map((id) => delivered.get(id)?.assignmentVersion)).toEqual(had);
    Reflect.deleteProperty(channel, 'records');
    await nothingWaits();
  });

  it('writes at once what is missing or another where it takes hosts over', async () => {
    both(changes(11n, [policy('q')]), false);
    await eventually('its own at once', () => assignmentVersion(0)?.generation === '11');
    channel.there.delete(IDS[2] ?? '');
    theirs.clear();
    mine.takeOver((id) => id !== IDS[0]);
    await nothingWaits();
    expect(generations()).toEqual(['11', '11', '11']);
  });

  it('gives nothing again as it was to hosts of another: what that one has written since is not known', async () => {
    const before = IDS.map((_, index) => assignmentVersion(index)?.issuedAt ?? 0);
    channel.there.clear();
    clock.now += 60_000;
    mine.everything();
    await nothingWaits();
    expect(assignmentVersion(0)?.issuedAt).toBe(before[0]);
    for (const index of [1, 2])
      expect(assignmentVersion(index)?.issuedAt).toBeGreaterThanOrEqual(clock.now);
  });

  it('leaves it to their owner to write what was lost as hosts have it, though that one notices later', async () => {
    const before = IDS.map((_, index) => assignmentVersion(index));
    channel.there.clear();
    clock.now += 60_000;
    let reads = 0;
    channel.whileRecordsAreRead = () => (reads += 1);
    const beganMs = performance.now();
    mine.everything();
    // Longer than it is patient where hosts wait for something newer.
    await eventually('looked for', () => reads > 3 && performance.now() - beganMs > 3_000);
    loop.everything();
    await settled();
    await nothingWaits();
    expect(IDS.map((_, index) => assignmentVersion(index))).toEqual(before);
    expect(delivered.get(IDS[1] ?? '')?.assignmentVersion).toEqual(before[1]);
  });

  it('leaves it to the owner of a host to renew, and does it where that one does not', async () => {
    const before = IDS.map((_, index) => assignmentVersion(index));
    clock.now += ASSIGNMENT_VALID_MS / 2;
    mine.renew();
    await nothingWaits();
    expect(IDS.map((_, index) => assignmentVersion(index))).toEqual([
      { ...before[0], issuedAt: clock.now },
      ...before.slice(1),
    ]);
    clock.now += 60_000;
    mine.renew();
    await nothingWaits();
    for (const index of [1, 2])
      expect(assignmentVersion(index)?.issuedAt).toBeGreaterThanOrEqual(clock.now);
  });

  it('takes over what the owner has renewed', async () => {
    clock.now += ASSIGNMENT_VALID_MS / 2;
    loop.renew();
    await settled();
    const renewed = [assignmentVersion(1), assignmentVersion(2)];
    clock.now += 60_000;
    mine.renew();
    await nothingWaits();
    expect([assignmentVersion(1), assignmentVersion(2)]).toEqual(renewed);
    expect(delivered.get(IDS[1] ?? '')?.assignmentVersion).toEqual(assignmentVersion(1));
  });

  it('leaves a host of another that has something later to that one', async () => {
    const { writes } = channel;
    const later = { epoch: '1', generation: '10', issuedAt: clock.now + 1 };
    for (const id of IDS.slice(1)) mine.told(id, later);
    await nothingWaits();
    expect(channel.writes).toBe(writes);
  });

  it('fills a channel that lost everything also where the owner does not', async () => {
    channel.there.clear();
    channel.bundles.clear();
    mine.everything();
    await nothingWaits();
    expect([channel.there.size, channel.bundles.size]).toEqual([3, 2]);
  });
});
