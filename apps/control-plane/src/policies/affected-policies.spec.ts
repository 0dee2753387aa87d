import { describe, expect, it } from '@jest/globals';
import type { ApplyDocument } from '#contracts';
import { etcdKeys } from '#etcd';
import { FleetState } from '../store/fleet-state.js';
import {
  changes,
  groupRecord,
  hostPolicy,
  nodeRecord,
  policyRecord,
  putGroup,
  putNode,
  putPolicy,
  snapshot,
} from '../testing/records.js';
import { affectedPolicies, heldBefore, lostPolicies } from './affected-policies.js';

const IN_GROUP = { 'hostward.io/group': 'web' };

const state = new FleetState();
const all = () =>
  snapshot(
    10n,
    putNode(nodeRecord('web1', { env: 'prod', tier: 'web' }, '1'.repeat(64))),
    putGroup(groupRecord('web', { tier: 'web' })),
    putGroup(groupRecord('db', { tier: 'db' })),
    putPolicy(policyRecord(hostPolicy('by-group', IN_GROUP))),
    putPolicy(policyRecord(hostPolicy('paused', IN_GROUP), { paused: true })),
    putPolicy(policyRecord(hostPolicy('nobody', { ...IN_GROUP, env: 'test' }))),
    putPolicy(policyRecord(hostPolicy('of-db', { 'hostward.io/group': 'db' }))),
    putPolicy(policyRecord(hostPolicy('by-label', { env: 'prod' }))),
  );
state.apply(all());

const document = (kind: string, name: string, verdict: ApplyDocument['verdict'] = 'configured') =>
  ({ index: 0, kind, name, verdict, errors: [], warnings: [] }) satisfies ApplyDocument;

describe('who waits for a set waits for', () => {
  it('what hosts have by a group of it that was written', () => {
    expect(affectedPolicies([document('Group', 'web')], state)).toEqual(['by-group']);
    expect(affectedPolicies([document('Group', 'db')], state)).toBeUndefined();
    for (const verdict of ['unchanged', 'pruned'] as const)
      expect(affectedPolicies([document('Group', 'web', verdict)], state)).toBeUndefined();
  });

  it('what a host of it has, beside the policies of the set', () => {
    const host = document('KubeArmorVirtualMachine', 'web1', 'created');
    expect(affectedPolicies([host], state)).toEqual(['by-group', 'by-label']);
    const set = [host, document('KubeArmorHostPolicy', 'by-label')];
    expect(affectedPolicies(set, state)).toEqual(['by-group']);
  });
});

describe('who waits for a set waits until hosts have lost', () => {
  const lostBy = (
    documents: readonly ApplyDocument[],
    ...writes: ReturnType<typeof putPolicy>[]
  ): readonly string[] | undefined => {
    const fleet = new FleetState();
    fleet.apply(all());
    const held = heldBefore(documents, fleet);
    fleet.apply(changes(11n, writes));
    return lostPolicies(held, fleet);
  };

  it.each<[string, ApplyDocument, ReturnType<typeof putPolicy>, readonly string[] | undefined]>([
    [
      'a policy of another selector',
      document('KubeArmorHostPolicy', 'by-label'),
      putPolicy(policyRecord(hostPolicy('by-label', { env: 'test' }))),
      ['by-label'],
    ],
    [
      'none of a policy that selects the same',
      document('KubeArmorHostPolicy', 'by-label'),
      putPolicy(policyRecord(hostPolicy('by-label', { env: 'prod' }))),
      undefined,
    ],
    [
      'none of a policy that selects more',
      document('KubeArmorHostPolicy', 'nobody'),
      putPolicy(policyRecord(hostPolicy('nobody', IN_GROUP))),
      undefined,
    ],
    [
      'none of a group that has more members',
      document('Group', 'db'),
      putGroup(groupRecord('db', { env: 'prod' })),
      undefined,
    ],
    [
      'what they had by a group that was written',
      document('Group', 'web'),
      putGroup(groupRecord('web', { tier: 'db' })),
      ['by-group'],
    ],
    [
      'what a host of it had by a label',
      document('KubeArmorVirtualMachine', 'web1'),
      putNode(nodeRecord('web1', { env: 'test', tier: 'web' }, '1'.repeat(64))),
      ['by-label'],
    ],
  ])('%s', (_title, written, change, lost) => {
    expect(lostBy([written], change)).toEqual(lost);
  });

  it('what they had by a group that was pruned', () => {
    const pruned = document('Group', 'web', 'pruned');
    const fleet = new FleetState();
    fleet.apply(all());
    const held = heldBefore([pruned], fleet);
    fleet.apply(changes(11n, [], [etcdKeys.group('web')]));
    expect(lostPolicies(held, fleet)).toEqual(['by-group']);
    expect(lostBy([document('Group', 'web', 'unchanged')])).toBeUndefined();
  });
});
