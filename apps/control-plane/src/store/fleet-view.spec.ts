import { beforeEach, describe, expect, it } from '@jest/globals';
import { Scope } from '../auth/scope.js';
import {
  changes,
  groupRecord,
  hostPolicy,
  nodeRecord,
  policyRecord,
  putGroup,
  putNode,
  putPolicy,
  putSuspension,
  snapshot,
  suspensionRecord,
} from '../testing/records.js';
import { FleetState } from './fleet-state.js';
import { FleetViews } from './fleet-views.js';

const MINE = '1'.repeat(64);
const THEIRS = '2'.repeat(64);
const scope = Scope.parse('team=a');
let whole: FleetState;
let views: FleetViews;
beforeEach(() => {
  whole = new FleetState();
  views = new FleetViews();
  whole.apply(
    snapshot(
      10n,
      putNode(nodeRecord('mine', { team: 'a', tier: 'web' }, MINE)),
      putNode(nodeRecord('theirs', { team: 'b', tier: 'web' }, THEIRS)),
      putPolicy(policyRecord(hostPolicy('webs', { tier: 'web' }))),
      putPolicy(policyRecord(hostPolicy('only-theirs', { team: 'b' }))),
      putPolicy(policyRecord(hostPolicy('later', { team: 'a', tier: 'db' }))),
      putPolicy(policyRecord(hostPolicy('by-group', { 'hostward.io/group': 'hidden' }))),
      putGroup(groupRecord('webs', { tier: 'web' })),
      putGroup(groupRecord('hidden', { team: 'b' })),
      putSuspension(suspensionRecord('all', { target: { all: true } })),
      putSuspension(suspensionRecord('theirs', { target: { node: 'theirs' } })),
      putSuspension(suspensionRecord('later', { target: { selector: 'team=a,tier=db' } })),
    ),
  );
});

const names = (items: readonly { readonly name: string }[]) => items.map(({ name }) => name);

describe('the fleet as a scope shows it', () => {
  it('holds its hosts, and what selects them or could select no other', () => {
    const view = views.of(whole, scope);
    expect(names(view.nodes.sorted())).toEqual(['mine']);
    expect(names(view.policies.sorted())).toEqual(['later', 'webs']);
    expect(names(view.groups.sorted())).toEqual(['webs']);
    expect(names(view.suspensions.sorted())).toEqual(['all', 'later']);
    expect([...view.index.nodesOf('webs')]).toEqual(['mine']);
    expect([...view.index.nodesOf('by-group')]).toEqual([]);
    expect(view.index.countOf('webs')).toBe(1);
    const web = { matchLabels: { tier: 'web' } };
    expect([...view.index.nodesBy(web, new Map())]).toEqual(['mine']);
    expect([...view.index.membersBy(web)]).toEqual(['mine']);
    expect(view.index.selects('webs', 'mine')).toBe(true);
    for (const name of ['theirs', 'stranger']) expect(view.index.selects('webs', name)).toBe(false);
    expect([view.nameOf(MINE), view.nameOf(THEIRS)]).toEqual(['mine', undefined]);
    expect(view.revision).toBe(10n);
  });

  it('is that of each revision, also where a host moves', () => {
    const before = views.of(whole, scope);
    expect(views.of(whole, scope)).toBe(before);
    whole.apply(changes(11n, [putNode(nodeRecord('mine', { team: 'b', tier: 'web' }, MINE))]));
    const after = views.of(whole, scope);
    expect([after.revision, names(after.nodes.sorted())]).toEqual([11n, []]);
    expect(names(after.policies.sorted())).toEqual(['later']);
  });
});
