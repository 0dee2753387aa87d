import type { ApplyDocument } from '#contracts';
import { groupOf } from '#policy-model';
import type { FleetState } from '../fleet/fleet-state.js';

/**
 * Names of the policies in force that groups and hosts of a set bring to hosts, beside those of the set itself: who waits
 * for the set waits for these too. Undefined where there are none; what hosts lose by it is none.
 */
export function affectedPolicies(
  documents: readonly ApplyDocument[],
  state: FleetState,
): readonly string[] | undefined {
  const namesOf = (kind: string): readonly string[] =>
    documents.flatMap((each) => (each.kind === kind && isWritten(each) ? [each.name] : []));
  const hosts = namesOf('KubeArmorVirtualMachine').flatMap((host) => state.activePolicies(host));
  const found = [...hosts, ...namingAny(new Set(namesOf('Group')), state)];
  const names = new Set(found.map(({ record }) => record.name));
  for (const name of namesOf('KubeArmorHostPolicy')) names.delete(name);
  const held = [...names].filter((name) => state.index.countOf(name) > 0);
  return held.length > 0 ? held.sort() : undefined;
}

function isWritten({ verdict }: ApplyDocument): boolean {
  return verdict === 'created' || verdict === 'configured';
}

function namingAny(groups: ReadonlySet<string>, { policies }: FleetState) {
  if (groups.size === 0) return [];
  return policies.sorted().filter(({ record: { document, paused } }) => {
    const group = groupOf(document?.spec.nodeSelector);
    return !paused && group !== undefined && groups.has(group);
  });
}
