import { describe, expect, it } from '@jest/globals';
import type { ApplyDocument } from '#contracts';
import { FleetState } from '../fleet/fleet-state.js';
import {
  groupRecord,
  hostPolicy,
  nodeRecord,
  policyRecord,
  putGroup,
  putNode,
  putPolicy,
  snapshot,
} from '../testing/records.js';
import { affectedPolicies } from './affected-policies.js';

const IN_GROUP = { 'hostward.io/group': 'web' };

const state = new FleetState();
state.apply(
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
  ),
);

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
