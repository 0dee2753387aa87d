import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '../testing/eventually.js';
import { changes, nodeRecord, putNode } from '../testing/records.js';
import { ASSIGNMENT_VALID_MS } from './assignment-plan.js';
import {
  delivered,
  channel,
  clock,
  deliverWith,
  IDS,
  logged,
  loop,
  assignmentVersion,
  policy,
  settled,
  state,
  take,
  threeHosts,
  useDelivery,
} from './fixtures/delivery-under-test.js';

useDelivery();

describe('delivery to hosts that are gone', () => {
  it('removes a host that is gone, and no other', async () => {
    await threeHosts();
    take(changes(11n, [], ['/hostward/v1/node/n0']));
    await settled();
    expect([...channel.there.keys()]).toEqual(IDS.slice(1));
    expect(delivered.get(IDS[0] ?? '')).toBeUndefined();
  });

  it('leaves a host that is renamed what it has, and knows it under its new name', async () => {
    await threeHosts();
    const renamed = putNode(nodeRecord('n9', { a: 'b' }, IDS[0]));
    take(changes(11n, [renamed], ['/hostward/v1/node/n0']));
    await settled();
    expect([...channel.there.keys()].sort()).toEqual(IDS);
    expect(delivered.get(IDS[0] ?? '')?.wanted.node).toBe('n9');
  });

  it('knows at every moment what a host has that is renamed', async () => {
    await threeHosts();
    const [first = ''] = IDS;
    const before = delivered.get(first)?.assignmentVersion;
    const known: unknown[] = [];
    channel.beforeAnswer = () => known.push(delivered.get(first)?.assignmentVersion);
    const renamed = putNode(nodeRecord('n9', { a: 'b' }, first));
    take(changes(11n, [renamed, policy('q')], ['/hostward/v1/node/n0']));
    await settled();
    expect(known).toEqual([before]);
    expect(assignmentVersion(0)?.generation).toBe('11');
  });

  it('renews under its new name what was on its way to a host while that was renamed', async () => {
    await threeHosts();
    channel.beforeAnswer = () => {
      channel.beforeAnswer = () => undefined;
      const renamed = putNode(nodeRecord('n9', { a: 'b' }, IDS[0]));
      take(changes(12n, [renamed], ['/hostward/v1/node/n0']));
    };
    take(changes(11n, [policy('q')]));
    await settled();
    clock.now += ASSIGNMENT_VALID_MS;
    loop.renew();
    await settled();
    expect(assignmentVersion(0)?.issuedAt).toBe(clock.now);
  });

  it('removes what a host had that is served elsewhere now, and gives it anew to one that comes back', async () => {
    const elsewhere = new Set<string>([IDS[2] ?? '']);
    const serves = (id: string) => state.nameOf(id) !== undefined && !elsewhere.has(id);
    await deliverWith({ serves });
    await threeHosts();
    expect([...channel.there.keys()]).toEqual(IDS.slice(0, 2));
    elsewhere.add(IDS[0] ?? '');
    take(changes(11n, [putNode(nodeRecord('n0', { a: 'b' }, IDS[0]))]));
    await settled();
    expect([...channel.there.keys()]).toEqual([IDS[1]]);
    elsewhere.clear();
    take(
      changes(
        12n,
        IDS.map((id, index) => putNode(nodeRecord(`n${index}`, { a: 'b' }, id))),
      ),
    );
    await settled();
    expect([...channel.there.keys()].sort()).toEqual(IDS);
  });

  it('removes what a host that is gone has left also while nothing can be written', async () => {
    await threeHosts();
    channel.write = () => Promise.reject(new Error('OOM command not allowed'));
    take(changes(11n, [policy('q')], ['/hostward/v1/node/n2']));
    await eventually('removed', () => !channel.there.has(IDS[2] ?? ''), 5_000);
    Reflect.deleteProperty(channel, 'write');
    await settled();
  });

  describe('while the Redis for events is away', () => {
    let answer: () => void;
    beforeEach(async () => {
      await threeHosts();
      channel.events.add(IDS[0] ?? '');
      channel.forgetEvents = () =>
        new Promise((_, reject) => {
          answer = () => reject(new Error('the Redis for events is away'));
        });
      take(changes(11n, [], ['/hostward/v1/node/n0']));
      await eventually('its assignment is removed', () => assignmentVersion(0) === undefined);
      await eventually('nothing else waits', () => loop.waiting === 1);
    });
    afterEach(() => answer());

    it('delivers to all others, and removes what a host that is gone has left there when it can', async () => {
      take(changes(12n, [policy('p', '/bin/later')]));
      await eventually('delivered', () => assignmentVersion(1)?.generation === '12');
      expect(delivered.get(IDS[0] ?? '')).toBeUndefined();
      Reflect.deleteProperty(channel, 'forgetEvents');
      answer();
      await eventually('told', () => logged.some((line) => line.includes('not removed')));
      await settled();
      expect([...channel.there.keys(), ...channel.events]).toEqual(IDS.slice(1));
    });

    it('takes a host that came back as any other', async () => {
      take(changes(12n, [putNode(nodeRecord('n0', { a: 'b' }, IDS[0]))]));
      await eventually('delivered', () => assignmentVersion(0)?.generation === '12');
      answer();
      await settled();
      expect([...channel.events]).toEqual([IDS[0]]);
    });

    it('puts right what lies there for others', async () => {
      channel.there.delete(IDS[1] ?? '');
      loop.lookAfter();
      await eventually('put back', () => assignmentVersion(1));
    });
  });
});
