import { describe, expect, it } from '@jest/globals';
import { eventually } from '../testing/eventually.js';
import { changes } from '../testing/records.js';
import {
  delivered,
  channel,
  clock,
  IDS,
  logged,
  loop,
  assignmentVersion,
  policy,
  settled,
  take,
  threeHosts,
  useDelivery,
} from './fixtures/delivery-under-test.js';

useDelivery();

describe('delivery to a host that has something later than what was written for it', () => {
  it('writes something newer for a host that has something later than what was written', async () => {
    await threeHosts();
    const [first = ''] = IDS;
    const [before, writes] = [assignmentVersion(0), channel.writes];
    loop.told(first, { epoch: '1', generation: '10', issuedAt: before?.issuedAt ?? 0 });
    // Neither another epoch nor what etcd has not reached is this one's to judge.
    loop.told(first, { epoch: '2', generation: '10', issuedAt: 1 });
    loop.told(first, { epoch: '1', generation: '11', issuedAt: 1 });
    await settled();
    expect(channel.writes).toBe(writes);
    clock.now += 60_000;
    loop.told(first, { epoch: '1', generation: '10', issuedAt: (before?.issuedAt ?? 0) + 1 });
    await settled();
    expect(assignmentVersion(0)).toEqual({ ...before, issuedAt: clock.now });
    expect(channel.writes).toBe(writes + 1);
  });

  it('knows what was written for a host that has something later until that was looked at', async () => {
    await threeHosts();
    const [first = ''] = IDS;
    const before = delivered.known(first);
    const known: unknown[] = [];
    channel.whileRecordsAreRead = () => known.push(delivered.known(first));
    channel.beforeAnswer = () => known.push(delivered.known(first));
    loop.told(first, {
      epoch: '1',
      generation: '10',
      issuedAt: (before?.assignmentVersion.issuedAt ?? 0) + 1,
    });
    known.push(delivered.known(first));
    clock.now += 60_000;
    await settled();
    expect(known).toEqual([before, before, before]);
    expect(delivered.known(first)?.assignmentVersion).toEqual(assignmentVersion(0));
  });

  it('looks once for what a host says again and again, until that has something newer', async () => {
    await threeHosts();
    const [first = ''] = IDS;
    let reads = 0;
    channel.whileRecordsAreRead = () => (reads += 1);
    channel.failures = 3;
    for (let report = 1; report <= 50; report += 1) {
      loop.told(first, { epoch: '1', generation: '10', issuedAt: clock.now + 1 });
      await new Promise((resolve) => setImmediate(resolve));
    }
    await settled();
    expect(reads).toBe(1);
  });

  it('writes something after what a host has also where that is ahead of its clock, once, and for that host alone', async () => {
    await threeHosts();
    const [first = ''] = IDS;
    const seen = { epoch: '1', generation: '10', issuedAt: clock.now + 3_600_000 };
    const { writes } = channel;
    for (let report = 1; report <= 2; report += 1) {
      loop.told(first, seen);
      await settled();
      expect(assignmentVersion(0)).toEqual({ ...seen, issuedAt: seen.issuedAt + 1 });
      expect(channel.writes).toBe(writes + 1);
    }
    clock.now += 60_000;
    take(changes(11n, [policy('q')]));
    await settled();
    const newer = { epoch: '1', generation: '11', issuedAt: clock.now };
    expect([assignmentVersion(0), assignmentVersion(1)]).toEqual([newer, newer]);
  });

  it('does nothing about what no honest clock has signed, and says so once', async () => {
    await threeHosts();
    const [first = ''] = IDS;
    const [before, writes] = [assignmentVersion(0), channel.writes];
    const seen = { epoch: '1', generation: '10', issuedAt: Number.MAX_SAFE_INTEGER };
    for (let report = 1; report <= 2; report += 1) {
      loop.told(first, seen);
      await settled();
    }
    expect([assignmentVersion(0), channel.writes]).toEqual([before, writes]);
    expect(logged.filter((line) => line.includes('no clock'))).toHaveLength(1);
  });

  it('gives nothing again as it was to a host that says meanwhile that it has something later', async () => {
    await threeHosts();
    const [first = ''] = IDS;
    const before = IDS.map((_, index) => assignmentVersion(index));
    channel.there.clear();
    channel.failures = 1;
    loop.everything();
    await eventually('tried', () => logged.some((line) => line.includes('delivery failed')));
    loop.told(first, { epoch: '1', generation: '10', issuedAt: clock.now + 60_000 });
    await settled();
    expect([assignmentVersion(0), assignmentVersion(1)]).toEqual([
      { ...before[0], issuedAt: clock.now + 60_001 },
      before[1],
    ]);
  });
});
