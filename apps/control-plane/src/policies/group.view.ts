import type { GroupView } from '#contracts';
import type { FleetState } from '../store/fleet-state.js';
import type { Stored } from '../store/record-index.js';
import { notFound } from '../http/index.js';
import type { GroupRecord } from '../records/group.record.js';

/** A group as REST shows it. */
export function groupView({ record, revision }: Stored<GroupRecord>, state: FleetState): GroupView {
  return {
    name: record.name,
    revision: revision.toString(),
    selector: record.document.spec.selector,
    members: state.index.membersOf(record.name).size,
    document: record.document,
  };
}

/** The group, or 404. */
export function findGroup(state: FleetState, name: string): Stored<GroupRecord> {
  const found = state.groups.get(name);
  if (found) return found;
  throw notFound('group', name);
}
