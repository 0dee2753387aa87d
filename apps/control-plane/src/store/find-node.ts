import { notFound } from '../http/index.js';
import type { NodeRecord } from '../records/node.record.js';
import type { FleetState } from './fleet-state.js';
import type { Stored } from './record-index.js';

/** The node, or 404. */
export function findNode(state: FleetState, name: string): Stored<NodeRecord> {
  const found = state.nodes.get(name);
  if (found) return found;
  throw notFound('node', name);
}
