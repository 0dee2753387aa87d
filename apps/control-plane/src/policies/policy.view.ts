import type { PolicyVersion, PolicyView } from '#contracts';
import { rulesOf, tierOf } from '#policy-model';
import type { FleetState } from '../store/fleet-state.js';
import type { Stored } from '../store/record-index.js';
import { notFound } from '../http/index.js';
import type { PolicyRecord } from '../records/policy.record.js';

/** A policy as REST shows it. */
export function policyView(
  { record, revision }: Stored<PolicyRecord>,
  state: FleetState,
): PolicyView {
  const { document } = record;
  if (!document) throw notFound('policy', record.name);
  return {
    name: record.name,
    revision: revision.toString(),
    paused: record.paused,
    tier: tierOf(document),
    rules: rulesOf(document).length,
    selected: state.index.countOf(record.name),
    appliedAt: record.at,
    appliedBy: record.by,
    document,
  };
}

/** One line of a policy's history. */
export function versionView({ record, revision }: Stored<PolicyRecord>): PolicyVersion {
  const { version, at, by, change, document } = record;
  return { version, revision: revision.toString(), at, by, change, document };
}

/** The policy, or 404. */
export function findPolicy(state: FleetState, name: string): Stored<PolicyRecord> {
  const found = state.policies.get(name);
  if (found) return found;
  throw notFound('policy', name);
}
