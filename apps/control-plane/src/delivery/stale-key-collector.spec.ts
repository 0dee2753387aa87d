import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { eventually } from '../testing/eventually.js';
import { changes, nodeRecord, putChannelKey, putNode, snapshot } from '../testing/records.js';
import { ASSIGNMENT_VALID_MS } from './assignment-plan.js';
import { DeliveredState } from './delivered-state.js';
import { DeliveryLoop } from './delivery-loop.js';
import {
  channel,
  clock,
  IDS,
  loop,
  assignmentVersion,
  parts,
  policy,
  settled,
  state,
  take,
  threeHosts,
  useDelivery,
} from './fixtures/delivery-under-test.js';

useDelivery();

describe('the collector of stale keys', () => {
  it('removes bundles that no host is to have any more', async () => {
    await threeHosts();
    const [old] = [...channel.bundles];
    take(changes(11n, [policy('p', '/usr/bin/ncat')]));
    await settled();
    expect(channel.bundles.size).toBe(2);
    expect(channel.bundles.has(old ?? '')).toBe(false);
  });

  it('renews an assignment when half of its time is over, with a later issuedAt only', async () => {
    await threeHosts();
    const before = assignmentVersion(0);
    clock.now += ASSIGNMENT_VALID_MS / 2 - 1;
    loop.renew();
    await settled();
    expect(assignmentVersion(0)).toEqual(before);
    clock.now += 1;
    loop.renew();
    await settled();
    expect(assignmentVersion(0)?.generation).toBe('10');
    expect(assignmentVersion(0)?.issuedAt).toBe(clock.now);
  });

  it('writes nothing twice when its clock is set back by more than half of the time of an assignment', async () => {
    clock.now += ASSIGNMENT_VALID_MS;
    await threeHosts();
    clock.now -= ASSIGNMENT_VALID_MS;
    loop.renew();
    await settled();
    const again = new DeliveryLoop({ ...parts, delivered: new DeliveredState() });
    again.everything();
    await eventually('nothing waits', () => again.waiting === 0);
    await again.stop();
    expect(channel.writes).toBe(3);
    take(changes(11n, [policy('q')]));
    await settled();
    expect([assignmentVersion(0)?.generation, channel.writes]).toEqual(['11', 5]);
  });

  it('puts back what vanished from the channel alone, and removes after two looks what nobody names', async () => {
    await threeHosts();
    loop.everything();
    await settled();
    const [bundle] = [...channel.bundles];
    channel.bundles.delete(bundle ?? '');
    channel.there.delete(IDS[1] ?? '');
    channel.bundles.add('f'.repeat(64));
    const left = channel.there.get(IDS[0] ?? '');
    if (left) channel.there.set('e'.repeat(64), left);
    loop.lookAfter();
    await eventually('put back', () => channel.bundles.has(bundle ?? '') && assignmentVersion(1));
    expect(channel.bundles.has('f'.repeat(64))).toBe(true);
    loop.lookAfter();
    await eventually('swept', () => !channel.bundles.has('f'.repeat(64)));
    await eventually('swept', () => !channel.there.has('e'.repeat(64)));
    expect(channel.there.size).toBe(3);
  });

  it('removes and puts back nothing while a record cannot be read', async () => {
    await threeHosts();
    loop.everything();
    await settled();
    const left = channel.there.get(IDS[0] ?? '');
    if (left) channel.there.set('e'.repeat(64), left);
    state.unreadable.set('node', 'damaged');
    channel.there.delete(IDS[1] ?? '');
    for (let look = 1; look <= 3; look += 1) {
      loop.lookAfter();
      await setTimeout(200);
    }
    expect([...channel.there.keys()].sort()).toEqual([IDS[0], IDS[2], 'e'.repeat(64)].sort());
    state.unreadable.clear();
    for (let look = 1; look <= 2; look += 1) {
      channel.there.delete(IDS[1] ?? '');
      loop.lookAfter();
      await eventually('put back', () => assignmentVersion(1));
      await settled();
    }
    await eventually('swept', () => !channel.there.has('e'.repeat(64)));
  });

  it('puts back what vanished also while not all that is there can be listed, and sweeps when it can', async () => {
    await threeHosts();
    loop.everything();
    await settled();
    channel.events.add('e'.repeat(64));
    channel.contents = () => Promise.reject(new Error('the Redis for events is away'));
    channel.there.delete(IDS[1] ?? '');
    loop.lookAfter();
    await eventually('put back', () => assignmentVersion(1));
    await settled();
    Reflect.deleteProperty(channel, 'contents');
    for (let look = 1; look <= 2; look += 1) {
      expect(channel.events.size).toBe(1);
      channel.looks = 0;
      loop.lookAfter();
      await eventually('looked', () => channel.looks > 0);
    }
    await eventually('swept', () => channel.events.size === 0);
  });

  it('puts an assignment back that was spoilt where it lies, however many there are', async () => {
    const ids = Array.from({ length: 40 }, (_, index) => String(index).padStart(64, '0'));
    const nodes = ids.map((id, index) => putNode(nodeRecord(`m${index}`, { a: 'b' }, id)));
    take(snapshot(10n, ...nodes, ...ids.map((id) => putChannelKey(id)), policy('p')));
    await settled();
    const { writes } = channel;
    const last = ids.at(-1) ?? '';
    const record = channel.there.get(last);
    if (!record) throw new Error('nothing was written');
    const leaf = record.leaf.replace(/.{4}$/, 'AAAA');
    channel.there.set(last, { ...record, leaf });
    for (let look = 1; look <= 2; look += 1) {
      channel.looks = 0;
      loop.lookAfter();
      await eventually('looked', () => channel.looks > 0 && loop.waiting === 0);
    }
    await eventually('put back', () => channel.there.get(last)?.leaf !== leaf, 10_000);
    await settled();
    expect(channel.writes).toBe(writes + 1);
  });
});
