import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { etcdKeys, type WatchMessage } from '#etcd';
import { BundleIndex } from './bundle-index.js';
import { FleetState } from '../store/fleet-state.js';
import { Metrics } from '../health/metrics.js';
import { eventually } from '../testing/eventually.js';
import {
  changes,
  groupRecord,
  hostPolicy,
  nodeRecord,
  policyRecord,
  put,
  putGroup,
  putHostKey,
  putNode,
  putPolicy,
  putSuspension,
  snapshot,
  suspensionRecord,
  testKeks,
} from '../testing/records.js';
import { DeliveredState } from './delivered-state.js';
import { DeliveryLoop } from './delivery-loop.js';
import {
  channel,
  deliverWith,
  IDS,
  loop,
  parts,
  policy,
  state,
  trust,
  useDelivery,
} from './fixtures/delivery-under-test.js';

useDelivery();

/** Has all hosts, and can read what ours cannot. */
let other: DeliveryLoop;
let blind: FleetState;
beforeEach(async () => {
  blind = new FleetState(testKeks);
  const serves = (id: string) => blind.nameOf(id) !== undefined;
  const replicas = { owns: () => false, givesWay: true };
  await deliverWith({ state: blind, serves, replicas, delivered: new DeliveredState() });
  const bundles = new BundleIndex(trust.epochSecret);
  other = new DeliveryLoop({
    ...parts,
    bundles,
    delivered: new DeliveredState(),
    metrics: new Metrics(),
  });
  const nodes = IDS.map((id, index) => putNode(nodeRecord(`n${index}`, { a: 'b' }, id)));
  const all = snapshot(10n, ...nodes, ...IDS.map((id) => putHostKey(id)), policy('p'));
  other.mark(state.apply(all));
  loop.mark(blind.apply(all));
  await quiet();
});
afterEach(() => other.stop());

/** Hosts tell both what they have, until nobody has anything to do about it. */
async function quiet(): Promise<void> {
  for (let round = 1; round <= 10; round += 1) {
    await eventually('nothing waits', () => loop.waiting + other.waiting === 0, 20_000);
    const { writes } = channel;
    for (const [id, { ordering: seen }] of channel.there)
      for (const each of [loop, other]) each.told(id, seen);
    await eventually('nothing waits', () => loop.waiting + other.waiting === 0, 20_000);
    if (channel.writes === writes) return;
  }
  throw new Error('there is no end of writing');
}

const there = () => IDS.map((id) => channel.there.get(id)?.bundleDigest);
/** By all that is known. */
const wanted = () =>
  IDS.map((_, index) => parts.bundles.of(state.activePolicies(`n${index}`)).digest);
const unread = put(etcdKeys.policy('q'), { v: 2 });

const policyAt = (revision: bigint) => ({ ...policy('p'), revision });
/** Records as they were last changed at their own revisions. */
function snapshotAt(
  revision: bigint,
  puts: readonly (ReturnType<typeof put> & { readonly revision?: bigint })[],
): WatchMessage {
  const read = snapshot(revision, ...puts);
  if (read.type !== 'snapshot') throw new Error('is no snapshot');
  const items = read.items.map((item, index) => {
    return { ...item, modRevision: puts[index]?.revision ?? revision };
  });
  return { ...read, items };
}

describe('delivery beside a replica that knows more', () => {
  it('leaves what that one has written, with what cannot be read here, at each change', async () => {
    for (const revision of [11n, 13n]) {
      other.mark(state.apply(changes(revision, [policy('q')])));
      loop.mark(blind.apply(changes(revision, [unread])));
      await quiet();
      const { writes } = channel;
      other.mark(state.apply(changes(revision + 1n, [policy(`r${revision}`)])));
      loop.mark(blind.apply(changes(revision + 1n, [policy(`r${revision}`)])));
      await quiet();
      expect(there()).toEqual(wanted());
      expect(channel.writes - writes).toBe(IDS.length);
    }
  });

  it('leaves it so at its start, though it reads only now what was long before', async () => {
    other.mark(state.apply(changes(11n, [policy('q')])));
    await eventually('written', () => other.waiting === 0);
    const nodes = IDS.map((id, index) => putNode(nodeRecord(`n${index}`, { a: 'b' }, id)));
    state.apply(changes(50n, []));
    const late = new FleetState(testKeks);
    const replicas = { owns: () => false, givesWay: true };
    await deliverWith({ state: late, replicas, delivered: new DeliveredState() });
    const all = [...nodes, ...IDS.map((id) => putHostKey(id)), policyAt(10n), unread];
    const { writes } = channel;
    loop.mark(late.apply(snapshotAt(50n, all)));
    await quiet();
    expect([there(), channel.writes]).toEqual([wanted(), writes]);
  });

  describe('at its start, where that one has not written since', () => {
    const grouped = (name: string, group: string) =>
      putPolicy(policyRecord(hostPolicy(name, { 'hostward.io/group': group })));
    const group = (name: string) => putGroup(groupRecord(name, { a: 'b' }));
    const suspended = putSuspension(suspensionRecord('s', { until: '2040-01-01T00:00:00.000Z' }));
    const unreadGroup = put(etcdKeys.group('unread'), { v: 2 });
    type Puts = Parameters<typeof changes>[1];
    interface Case {
      readonly what: string;
      readonly before: Puts;
      readonly since?: Puts;
      /** Keys that are gone since. */
      readonly gone?: readonly string[];
      readonly isLeft?: boolean;
    }
    const inGroup = [grouped('x', 'g'), group('g')];
    const cases: readonly Case[] = [
      { what: 'nothing changed', before: [suspended, ...inGroup], isLeft: true },
      { what: 'a suspension began', before: [], since: [suspended] },
      { what: 'a suspension ended', before: [suspended], gone: [etcdKeys.suspension('s')] },
      { what: 'hosts came into a group', before: [grouped('x', 'g')], since: [group('g')] },
      { what: 'hosts left a group', before: inGroup, gone: [etcdKeys.group('g')] },
      { what: 'a policy was deleted', before: [policy('x')], gone: [etcdKeys.policy('x')] },
      { what: 'who is in a group is not known', before: [], since: [unreadGroup], isLeft: true },
    ];

    it.each(cases)('looks at what is there: $what', async (each) => {
      const { before, since = [], gone = [], isLeft = false } = each;
      other.mark(state.apply(changes(11n, [policy('q'), ...before])));
      await eventually('written', () => other.waiting === 0);
      await other.stop();
      const nodes = IDS.map((id, index) => putNode(nodeRecord(`n${index}`, { a: 'b' }, id)));
      const kept = before.filter(({ key }) => !gone.includes(key));
      const old = [...nodes, ...IDS.map((id) => putHostKey(id)), ...kept];
      state.apply(changes(50n, since, gone));
      const late = new FleetState(testKeks);
      const replicas = { owns: () => false, givesWay: true };
      await deliverWith({ state: late, replicas, delivered: new DeliveredState() });
      const { writes } = channel;
      const dated = old.map((record) => ({ ...record, revision: 11n }));
      const then = [...dated, policyAt(10n), unread, ...since];
      loop.mark(late.apply(snapshotAt(50n, then)));
      await eventually('nothing waits', () => loop.waiting === 0, 20_000);
      expect(channel.writes - writes).toBe(isLeft ? 0 : IDS.length);
    });
  });

  it('writes what it knows where that one is silent, and once that one is gone', async () => {
    other.mark(state.apply(changes(11n, [policy('q')])));
    loop.mark(blind.apply(changes(11n, [unread])));
    await quiet();
    await other.stop();
    const before = there();
    const change = changes(12n, [policy('r')]);
    state.apply(change);
    loop.mark(blind.apply(change));
    await eventually('written', () => loop.waiting === 0, 20_000);
    expect(there().some((digest, index) => digest === before[index])).toBe(false);
  });
});
