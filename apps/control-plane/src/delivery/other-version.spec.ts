import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeliveryRecord } from '#contracts';
import type { WatchMessage } from '#etcd';
import { FleetState } from '../store/fleet-state.js';
import { Metrics } from '../health/metrics.js';
import { eventually } from '../testing/eventually.js';
import {
  changes,
  nodeRecord,
  putChannelKey,
  putNode,
  snapshot,
  testKeks,
} from '../testing/records.js';
import { ASSIGNMENT_VALID_MS } from './assignment-plan.js';
import { DeliveredState } from './delivered-state.js';
import { DeliveryLoop } from './delivery-loop.js';
import {
  delivered,
  channel,
  clock,
  deliverWith,
  IDS,
  logged,
  loop,
  nextRoot,
  assignmentVersion,
  otherShelf,
  parts,
  policy,
  settled,
  state,
  trust,
  unsigned,
  useDelivery,
} from './fixtures/delivery-under-test.js';

useDelivery();

describe('delivery with a replica of a version that renders otherwise', () => {
  const [FIRST = ''] = IDS;
  let other: DeliveryLoop;
  let otherBoard: DeliveredState;
  beforeEach(async () => {
    otherBoard = new DeliveredState();
    const isOthers = (id: string) => id === FIRST;
    await deliverWith({ replicas: { owns: (id) => !isOthers(id) } });
    const bundles = otherShelf();
    other = new DeliveryLoop({
      ...{ ...parts, bundles, delivered: otherBoard, replicas: { owns: isOthers } },
      metrics: new Metrics(),
    });
    const nodes = IDS.map((id, index) => putNode(nodeRecord(`n${index}`, { a: 'b' }, id)));
    both(snapshot(10n, ...nodes, ...IDS.map((id) => putChannelKey(id)), policy('p')));
    await quiet();
  });
  afterEach(() => other.stop());

  const both = (message: WatchMessage): void => {
    const affected = state.apply(message);
    for (const each of [loop, other]) each.mark(affected);
  };
  const nothingWaits = () =>
    eventually('nothing waits', () => loop.waiting === 0 && other.waiting === 0, 20_000);
  /** Hosts tell both what they have, until nobody has anything to do about it. */
  const quiet = async (): Promise<void> => {
    for (let round = 1; round <= 10; round += 1) {
      await nothingWaits();
      const { writes } = channel;
      for (const [id, { assignmentVersion: seen }] of channel.there)
        for (const each of [loop, other]) each.told(id, seen);
      await nothingWaits();
      if (channel.writes === writes) return;
    }
    throw new Error('there is no end of writing');
  };
  const there = (): DeliveryRecord => {
    const record = channel.there.get(FIRST);
    if (!record) throw new Error('nothing is there');
    return record;
  };
  /** The first host, which has what the other one rendered, is ours now. */
  const takeOver = async (): Promise<void> => {
    loop.takeOver((id) => id === FIRST);
    await nothingWaits();
  };
  const isTheOthers = () => there().bundleDigest === otherBoard.get(FIRST)?.wanted.bundle.digest;

  it('writes each change once and leaves the record that was first', async () => {
    for (const [index, name] of ['q', 'r', 's'].entries()) {
      const { writes } = channel;
      both(changes(BigInt(11 + index), [policy(name)]));
      await quiet();
      expect(channel.writes - writes).toBe(IDS.length);
      expect(isTheOthers()).toBe(true);
    }
  });

  it('writes a change once also where others change in between, so that generations differ', async () => {
    const { writes } = channel;
    both(changes(11n, [policy('q')]));
    await eventually('its owner has written it', () => assignmentVersion(0)?.generation === '11');
    state.apply(changes(12n, []));
    await quiet();
    expect(channel.writes - writes).toBe(IDS.length);
  });

  it('writes a host once that is removed and made again at once', async () => {
    const { writes } = channel;
    const made = putNode(nodeRecord('n0', { a: 'c' }, FIRST));
    const message = changes(11n, [made], ['/hostward/v1/node/n0']);
    if (message.type !== 'changes') throw new Error('is no change');
    both({ ...message, changes: message.changes.toReversed() });
    await quiet();
    expect([channel.writes - writes, isTheOthers()]).toEqual([1, true]);
  });

  it('leaves what was first also where it had not yet read as far as the other one', async () => {
    const nodes = IDS.map((id, index) => putNode(nodeRecord(`n${index}`, { a: 'b' }, id)));
    const keys = IDS.map((id) => putChannelKey(id));
    const lagging = new FleetState(testKeks);
    await deliverWith({ state: lagging, delivered: new DeliveredState() });
    loop.mark(lagging.apply(snapshot(10n, ...nodes, ...keys, policy('p'))));
    await settled();
    const change = changes(11n, [policy('q')]);
    other.mark(state.apply(change));
    state.apply(changes(12n, []));
    await eventually(
      'its owner has written it',
      () => assignmentVersion(0)?.generation === '12',
      20_000,
    );
    const { writes } = channel;
    loop.mark(lagging.apply(change));
    await eventually('it was in the way', () =>
      logged.some((line) => line.includes('delivery failed')),
    );
    lagging.apply(changes(12n, []));
    clock.now += 60_000;
    await quiet();
    expect(channel.writes - writes).toBe(IDS.length - 1);
    expect([isTheOthers(), delivered.get(FIRST)?.bundleDigest]).toEqual([
      true,
      there().bundleDigest,
    ]);
  });

  it('leaves what was first also where it is the owner, and was late', async () => {
    await deliverWith({ delivered: new DeliveredState() });
    const affected = state.apply(changes(11n, [policy('q')]));
    other.mark(affected);
    await eventually(
      'written by the other one',
      () => assignmentVersion(1)?.generation === '11',
      20_000,
    );
    const { writes } = channel;
    loop.mark(affected);
    await quiet();
    expect(channel.writes).toBe(writes);
    expect(delivered.get(FIRST)?.bundleDigest).toBe(there().bundleDigest);
  });

  it('names in its delivered state the bundle that is there', () => {
    expect(delivered.get(FIRST)?.bundleDigest).toBe(there().bundleDigest);
    expect(delivered.digests().has(there().bundleDigest)).toBe(true);
  });

  it('takes over what the owner of a host has written since, when the host tells of it', async () => {
    clock.now += ASSIGNMENT_VALID_MS / 2;
    other.renew();
    await eventually(
      'its owner has renewed it',
      () => assignmentVersion(0)?.issuedAt === clock.now,
    );
    loop.told(FIRST, there().assignmentVersion);
    await nothingWaits();
    expect(delivered.get(FIRST)).toMatchObject({
      assignmentVersion: assignmentVersion(0),
      bundleDigest: there().bundleDigest,
    });
    expect(isTheOthers()).toBe(true);
  });

  it.each([
    ['is not signed by us', () => channel.there.set(FIRST, unsigned(there()))],
    ['has no bundle', () => channel.bundles.delete(there().bundleDigest)],
    ['is of the root document of before', () => trust.follow(nextRoot())],
    ['is half over', () => (clock.now += ASSIGNMENT_VALID_MS / 2)],
    ['is older', () => loop.mark(state.apply(changes(11n, [], ['/hostward/v1/policy/p'])))],
  ])('does not leave what %s', async (_, spoil) => {
    await other.stop();
    spoil();
    await takeOver();
    expect(isTheOthers()).toBe(false);
    expect(delivered.get(FIRST)?.bundleDigest).toBe(there().bundleDigest);
  });

  it('writes its own where the bundle of another one is lost', async () => {
    await other.stop();
    channel.bundles.delete(there().bundleDigest);
    loop.lookAfter();
    await eventually('its own is there', () => !isTheOthers(), 20_000);
    expect(channel.bundles.has(there().bundleDigest)).toBe(true);
  });

  it('leaves it to the owner to write what was lost as hosts have it, though that one notices later', async () => {
    const before = channel.there.get(FIRST)?.assignmentVersion;
    channel.there.clear();
    clock.now += 60_000;
    let reads = 0;
    channel.whileRecordsAreRead = () => (reads += 1);
    const beganMs = performance.now();
    loop.everything();
    await eventually('looked for', () => reads > 3 && performance.now() - beganMs > 3_000);
    other.everything();
    await nothingWaits();
    expect([assignmentVersion(0), isTheOthers()]).toEqual([before, true]);
  });

  it('gives nothing again at an assignment version that hosts know from another one', async () => {
    await takeOver();
    await other.stop();
    const before = there().assignmentVersion;
    await deliverWith({});
    loop.everything();
    await eventually('nothing waits', () => loop.waiting === 0, 20_000);
    channel.there.clear();
    clock.now += 60_000;
    loop.everything();
    await eventually('nothing waits', () => loop.waiting === 0, 20_000);
    expect(there().assignmentVersion.issuedAt).toBeGreaterThan(before.issuedAt);
  });

  it('writes something newer for a host that has something later than what it left', async () => {
    await takeOver();
    await other.stop();
    const own = new DeliveryLoop({ ...parts, delivered });
    const seen = { ...there().assignmentVersion, issuedAt: there().assignmentVersion.issuedAt + 1 };
    clock.now += 60_000;
    own.told(FIRST, seen);
    await eventually(
      'something newer is there',
      () => assignmentVersion(0)?.issuedAt === clock.now,
    );
    await own.stop();
  });
});
