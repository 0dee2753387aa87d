import { beforeEach, describe, expect, it } from '@jest/globals';
import { etcdKeys, type WatchMessage } from '#etcd';
import {
  changes,
  groupRecord,
  hostPolicy,
  nodeRecord,
  policyRecord,
  put,
  putGroup,
  putChannelKey,
  putNode,
  putPolicy,
  putRevocation,
  putSuspension,
  snapshot,
  suspensionRecord,
  testKeks,
} from '../testing/records.js';
import { stepsOf } from '../testing/steps.js';
import { FleetState } from './fleet-state.js';

const ID1 = '1'.repeat(64);
const ID2 = '2'.repeat(64);
let fleet: FleetState;
beforeEach(() => {
  fleet = withThree();
});

function withThree(): FleetState {
  const state = new FleetState();
  state.apply(
    snapshot(
      10n,
      putNode(nodeRecord('web1', { tier: 'web' }, ID1)),
      putNode(nodeRecord('web10', { tier: 'web' }, ID2)),
      putNode(nodeRecord('db1', { tier: 'db' })),
      putPolicy(policyRecord(hostPolicy('webs', { tier: 'web' }))),
    ),
  );
  return state;
}

const affectedBy = (...args: Parameters<typeof changes>) =>
  [...fleet.apply(changes(...args)).nodes].sort();
const active = (node: string) => fleet.activePolicies(node).map(({ record }) => record.name);

describe('the fleet in memory', () => {
  it('is at the revision that was read, which is the generation of what is made from it', () => {
    expect(fleet.revision).toBe(10n);
    expect(active('web1')).toEqual(['webs']);
    expect(fleet.ruleSetOf('web1').policies[0]?.revision).toBe('10');
  });

  it('names exactly the hosts that a policy, a label, a group or a deletion affects', () => {
    expect(affectedBy(11n, [putPolicy(policyRecord(hostPolicy('dbs', { tier: 'db' })))])).toEqual([
      'db1',
    ]);
    expect(affectedBy(12n, [putNode(nodeRecord('db1', { tier: 'web' }))])).toEqual(['db1']);
    expect(active('db1')).toEqual(['webs']);
    const grouped = policyRecord(hostPolicy('grouped', { 'hostward.io/group': 'g' }));
    expect(affectedBy(13n, [putPolicy(grouped)])).toEqual([]);
    expect(affectedBy(14n, [putGroup(groupRecord('g', { tier: 'web' }))])).toEqual([
      'db1',
      'web1',
      'web10',
    ]);
    expect(affectedBy(15n, [], [etcdKeys.group('g')])).toEqual(['db1', 'web1', 'web10']);
    expect(affectedBy(16n, [], [etcdKeys.policy('webs')])).toEqual(['db1', 'web1', 'web10']);
    expect(active('web1')).toEqual([]);
  });

  it('names those that look different as well: whose groups change, and who is revoked', () => {
    const shownBy = (...args: Parameters<typeof changes>) =>
      [...fleet.apply(changes(...args)).shown].sort();
    expect(shownBy(11n, [putGroup(groupRecord('g', { tier: 'web' }))])).toEqual(['web1', 'web10']);
    expect(shownBy(12n, [putGroup(groupRecord('g', { tier: 'db' }))])).toEqual([
      'db1',
      'web1',
      'web10',
    ]);
    expect(shownBy(13n, [putGroup(groupRecord('g', { tier: 'db' }))])).toEqual([]);
    expect(shownBy(14n, [], [etcdKeys.group('g')])).toEqual(['db1']);
    expect(shownBy(15n, [putRevocation('web10', ID2)])).toEqual(['web10']);
  });

  it('forgets exactly the host that is gone or revoked', () => {
    const gone = fleet.apply(changes(11n, [], [etcdKeys.node('web1')]));
    expect([[...gone.nodes], [...gone.gone]]).toEqual([[], [ID1]]);
    expect([fleet.nameOf(ID1), fleet.nameOf(ID2)]).toEqual([undefined, 'web10']);
    expect([...fleet.apply(changes(12n, [putRevocation('web10', ID2)])).gone]).toEqual([ID2]);
    expect(fleet.nameOf(ID2)).toBeUndefined();
  });

  it('believes a revoked identity under no name ever again, in whatever order it is read', () => {
    const node = putNode(nodeRecord('again', {}, ID2));
    fleet.apply(changes(11n, [], [etcdKeys.node('web10')]));
    fleet.apply(changes(12n, [putRevocation('web10', ID2), node]));
    expect(fleet.nameOf(ID2)).toBeUndefined();
    fleet.apply(changes(13n, [], [etcdKeys.revocation(ID2)]));
    fleet.apply(changes(14n, [node]));
    expect([fleet.nameOf(ID2), fleet.revocationOf(ID2)?.reason]).toEqual([undefined, 'stolen']);
  });

  it('holds the keys of a host of each epoch until they go, and finds them among those of others', () => {
    const keys = new FleetState(testKeks);
    const others = Array.from({ length: 500 }, (_, at) => at.toString(16).padStart(64, '0'));
    const puts = [
      ...others.map((id) => putChannelKey(id)),
      putChannelKey(ID1),
      putChannelKey(ID1, '2'),
    ];
    keys.apply(changes(11n, puts));
    expect([...keys.epochsOf(ID1)].sort()).toEqual(['1', '2']);
    expect(stepsOf(() => keys.epochsOf(ID1))).toBeLessThan(20);
    keys.apply(changes(12n, [], [etcdKeys.key(ID1, 'epoch-2')]));
    expect(keys.epochsOf(ID1)).toEqual(['1']);
    expect([keys.channelKey(ID1, '2'), keys.channelKey(ID1, '1')?.epoch]).toEqual([undefined, '1']);
    expect(keys.channelKeysNotUnder(testKeks.id)).toEqual([]);
    expect(keys.channelKeysNotUnder('another')).toHaveLength(501);
  });

  it('leaves a paused policy out of rule sets, and keeps what was deleted for its number only', () => {
    fleet.apply(
      changes(11n, [
        putPolicy(policyRecord(hostPolicy('webs', { tier: 'web' }), { paused: true })),
      ]),
    );
    expect(active('web1')).toEqual([]);
    expect(fleet.index.nodesOf('webs').size).toBe(2);
    const deleted = policyRecord(hostPolicy('webs', {}), {
      document: undefined,
      version: 3,
      change: 'deleted',
    });
    fleet.apply(changes(12n, [putPolicy(deleted)]));
    expect(fleet.policies.get('webs')).toBeUndefined();
    expect(fleet.deletedPolicies.get('webs')?.record.version).toBe(3);
    expect(fleet.index.nodesOf('webs').size).toBe(0);
  });

  it('keeps what is in force when a record cannot be read, and names the key', () => {
    for (const value of [
      'not json',
      { v: 2 },
      { ...policyRecord(hostPolicy('webs', { tier: 'web' })), extra: 1 },
    ]) {
      expect(affectedBy(11n, [put(etcdKeys.policy('webs'), value)])).toEqual([]);
      expect([...fleet.unreadable.keys()]).toEqual([etcdKeys.policy('webs')]);
      expect(active('web1')).toEqual(['webs']);
    }
    fleet.apply(changes(12n, [putPolicy(policyRecord(hostPolicy('webs', { tier: 'web' })))]));
    expect(fleet.unreadable.size).toBe(0);
    fleet.apply(changes(13n, [put(etcdKeys.policy('new'), 'not json')]));
    expect(fleet.unreadable.size).toBe(1);
  });

  it('takes a second snapshot as a difference: what is missing was deleted, what is the same affects nobody', () => {
    const again = fleet.apply(
      snapshot(
        20n,
        putNode(nodeRecord('web1', { tier: 'web' }, ID1)),
        putPolicy(policyRecord(hostPolicy('webs', { tier: 'web' }))),
      ),
    );
    expect([...again.gone]).toEqual([ID2]);
    expect(fleet.nodes.sorted().map(({ name }) => name)).toEqual(['web1']);
    expect(fleet.revision).toBe(20n);
  });

  it('reads anew what a restored etcd has at a revision that it knew', () => {
    const moved = putNode(nodeRecord('web1', { tier: 'db' }, ID1));
    const { revision } = fleet;
    const changed = { ...snapshot(revision, moved), isOtherHistory: true };
    fleet.apply(snapshot(revision, putNode(nodeRecord('web1', { tier: 'web' }, ID1))));
    expect([...fleet.apply(changed).nodes]).toEqual(['web1']);
    expect(fleet.nodes.get('web1')?.record.labels).toEqual({ tier: 'db' });
  });

  it('knows hosts by their names where a second snapshot has one under the name of the other, in either order', () => {
    // Before and after `web1` in the order of etcd.
    for (const [revision, to] of [
      [20n, 'old'],
      [30n, 'web5'],
    ] as const) {
      fleet.apply(
        snapshot(
          revision,
          putNode(nodeRecord('web1', {}, ID1)),
          putNode(nodeRecord('web10', {}, ID2)),
        ),
      );
      const moved = [putNode(nodeRecord(to, {}, ID1)), putNode(nodeRecord('web1', {}, ID2))];
      const { gone } = fleet.apply(
        snapshot(revision + 1n, ...(to < 'web1' ? moved : moved.reverse())),
      );
      expect([fleet.nameOf(ID1), fleet.nameOf(ID2)]).toEqual([to, 'web1']);
      if (to < 'web1') expect(gone.has(ID1)).toBe(false);
    }
  });

  it('tells of a host that is renamed that it moved, and of one that is gone, whether it reads the change or all anew', () => {
    const renamed = putNode(nodeRecord('new1', { tier: 'web' }, ID1));
    const others = [
      putNode(nodeRecord('db1', { tier: 'db' })),
      putPolicy(policyRecord(hostPolicy('webs', { tier: 'web' }))),
    ];
    const change = changes(11n, [renamed], [etcdKeys.node('web1'), etcdKeys.node('web10')]);
    if (change.type !== 'changes') throw new Error('is no change');
    const ways: readonly WatchMessage[] = [
      // As etcd has a rename: the name of before goes first.
      { ...change, changes: change.changes.toReversed() },
      change,
      snapshot(11n, ...others, renamed),
    ];
    for (const way of ways) {
      const state = withThree();
      const { gone, moved, removed } = state.apply(way);
      expect([[...gone], [...moved]]).toEqual([[ID2], [ID1]]);
      expect([...removed].sort()).toEqual(['web1', 'web10']);
      expect(state.nameOf(ID1)).toBe('new1');
    }
  });

  it('knows whom a suspension is for, by name, selector or all, and which of several counts', () => {
    const suspend = (id: string, over: Parameters<typeof suspensionRecord>[1]) =>
      putSuspension(suspensionRecord(id, over));
    expect(affectedBy(11n, [suspend('a', { target: { node: 'web1' } })])).toEqual(['web1']);
    expect(fleet.suspensionOf('web1')?.id).toBe('a');
    expect(fleet.suspensionOf('web10')).toBeUndefined();
    expect(
      affectedBy(12n, [suspend('b', { target: { selector: 'tier=web' }, mode: 'off' })]),
    ).toEqual(['web1', 'web10']);
    expect(fleet.suspensionOf('web1')?.id).toBe('b');
    expect(affectedBy(13n, [], [etcdKeys.suspension('b')])).toEqual(['web1', 'web10']);
    expect(fleet.suspensionOf('web1')?.id).toBe('a');
    fleet.apply(changes(14n, [suspend('c', { target: { selector: '((' } })]));
    expect(fleet.suspensionOf('web10')).toBeUndefined();
  });
});
