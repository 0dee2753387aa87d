import { beforeEach, describe, expect, it } from '@jest/globals';
import type { AssignmentVersion } from '#contracts';
import { FleetState } from '../store/fleet-state.js';
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
  IDS,
  logged,
  loop,
  newTrust,
  nextRoot,
  assignmentVersion,
  parts,
  policy,
  rootVersion,
  SetClock,
  settled,
  take,
  threeHosts,
  trust,
  unsigned,
  useDelivery,
} from './fixtures/delivery-under-test.js';

useDelivery();

/** Another replica that has read of the next epoch already writes for all hosts. */
async function aheadByAnEpoch(): Promise<void> {
  const ahead = new FleetState(testKeks);
  const nodes = IDS.map((id, index) => putNode(nodeRecord(`n${index}`, { a: 'b' }, id)));
  ahead.apply(snapshot(12n, ...nodes, ...IDS.map((id) => putChannelKey(id, '2')), policy('p')));
  const next = newTrust();
  next.follow(nextRoot('2'));
  const other = new DeliveryLoop({
    ...parts,
    state: ahead,
    trust: next,
    delivered: new DeliveredState(),
  });
  other.everything();
  await eventually('written', () => other.waiting === 0);
  await other.stop();
}

describe('delivery where something else is there', () => {
  it('does not take what another replica wrote under the root document of before for its own', async () => {
    clock.now += 3_600_000;
    await threeHosts();
    clock.now -= 3_600_000;
    trust.follow(nextRoot());
    const again = new DeliveryLoop({ ...parts, delivered: new DeliveredState() });
    again.everything();
    await eventually('nothing waits', () => again.waiting === 0);
    await again.stop();
    expect([...channel.there.values()].map(({ root }) => rootVersion(root))).toEqual([2, 2, 2]);
  });

  it('leaves what is there and says the same when our clock went back, or another replica was faster', async () => {
    clock.now += 3_600_000;
    await threeHosts();
    const [there, writes] = [assignmentVersion(0), channel.writes];
    clock.now -= 3_600_000;
    const itsBoard = new DeliveredState();
    const again = new DeliveryLoop({ ...parts, delivered: itsBoard });
    again.everything();
    await eventually('nothing waits', () => again.waiting === 0);
    await again.stop();
    expect([assignmentVersion(0), channel.writes]).toEqual([there, writes]);
    expect(itsBoard.get(IDS[0] ?? '')?.assignmentVersion).toEqual(there);
  });

  it('puts its own in the place of a record that nobody of ours sealed, whatever assignment version it claims', async () => {
    await threeHosts();
    const record = channel.there.get(IDS[0] ?? '');
    if (!record) throw new Error('nothing was written');
    const claimed = { ...record.assignmentVersion, generation: '9000000000000000000' };
    channel.there.set(IDS[0] ?? '', { ...record, assignmentVersion: claimed });
    take(changes(11n, [policy('q')]));
    await settled();
    expect(assignmentVersion(0)?.generation).toBe('11');
  });

  /** Who has a host's key and Redis can make it: it opens, and no commit of ours has it. */
  async function sealedByTheHost(nodeId: string, aheadMs: number): Promise<AssignmentVersion> {
    const its = new FleetState(testKeks);
    const node = putNode(nodeRecord('its', { a: 'b' }, nodeId));
    its.apply(snapshot(10n, node, putChannelKey(nodeId), policy('p'), policy('its')));
    const ahead = Object.assign(new SetClock(), { now: clock.now + aheadMs });
    const other = new DeliveryLoop({
      ...parts,
      state: its,
      clock: ahead,
      delivered: new DeliveredState(),
    });
    other.everything();
    await eventually('written', () => other.waiting === 0);
    await other.stop();
    const record = channel.there.get(nodeId);
    if (!record) throw new Error('nothing was written');
    channel.there.set(nodeId, unsigned(record));
    return record.assignmentVersion;
  }

  it.each([
    ['after it', 3_600_000],
    ['in its place where no clock of ours can have signed it', 400 * 86_400_000],
  ])(
    'writes for a host that has sealed something itself, and for no other, %s',
    async (_, aheadMs) => {
      await threeHosts();
      clock.now += ASSIGNMENT_VALID_MS / 2;
      const forged = await sealedByTheHost(IDS[0] ?? '', aheadMs);
      loop.renew();
      await settled();
      const isCredible = aheadMs < ASSIGNMENT_VALID_MS / 2;
      expect(assignmentVersion(0)?.issuedAt).toBe(isCredible ? forged.issuedAt + 1 : clock.now + 1);
      clock.now += 60_000;
      take(changes(11n, [policy('q')]));
      await settled();
      const newer = { epoch: '1', generation: '11', issuedAt: clock.now };
      expect([assignmentVersion(0), assignmentVersion(1)]).toEqual([newer, newer]);
    },
  );

  describe('before it has read of an epoch that another replica seals for already', () => {
    const epochs = () => IDS.map((_, index) => assignmentVersion(index)?.epoch);
    beforeEach(async () => {
      await threeHosts();
      await aheadByAnEpoch();
    });

    it('does not take what is there for forged where it writes', async () => {
      take(changes(11n, [policy('q')]));
      const tries = () => logged.filter((line) => line.includes('delivery failed')).length;
      await eventually('tried', () => tries() > 1 || assignmentVersion(0)?.epoch !== '2');
      expect(epochs()).toEqual(['2', '2', '2']);
    });

    it('does not take it for spoilt where it looks after what is there', async () => {
      loop.lookAfter();
      await eventually('looked', () => channel.looks > 0 && loop.waiting === 0);
      expect([epochs(), delivered.get(IDS[0] ?? '')?.assignmentVersion.epoch]).toEqual([
        ['2', '2', '2'],
        '1',
      ]);
    });

    it.each([
      ['under a root document that does not follow', () => ({ root: trust.root.signed })],
      [
        'of an epoch that its root document is not of',
        () => ({ assignmentVersion: { epoch: '3' } }),
      ],
    ])('puts its own in the place of one %s', async (_, change) => {
      const record = channel.there.get(IDS[0] ?? '');
      if (!record) throw new Error('nothing is there');
      const { assignmentVersion: claimed, ...other } = { assignmentVersion: {}, ...change() };
      const forged = {
        ...record,
        ...other,
        assignmentVersion: { ...record.assignmentVersion, ...claimed },
      };
      channel.there.set(IDS[0] ?? '', forged);
      loop.lookAfter();
      await eventually('put back', () => assignmentVersion(0)?.epoch === '1');
      await settled();
    });
  });
});
