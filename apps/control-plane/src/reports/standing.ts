import type { CloneView, CutOffView, RevocationView } from '#contracts';
import type { FleetState } from '../store/fleet-state.js';
import type { NodeRecord } from '../records/node.record.js';
import { isCutOff } from '../trust/redis-identity.js';

/** What is wrong with a host's identity; empty where nothing is. A clone is served, and believed in part. */
export interface Standing {
  readonly revocation?: RevocationView;
  readonly cutOff?: CutOffView;
  readonly clone?: CloneView;
}

/** How a host stands with us, as REST shows it. Pure. */
export function standingOf(record: NodeRecord, state: FleetState, nowMs: number): Standing {
  const revocation = state.revocationOf(record.enrollment?.nodeId);
  if (revocation) {
    const { at, by, reason } = revocation;
    return { revocation: { at, by, reason } };
  }
  const { cutOff, clone } = record;
  return {
    ...(isCutOff(record, nowMs) && { cutOff }),
    ...(clone && { clone: { at: clone.at, reason: clone.reason } }),
  };
}
