import { parseSelector, selectsNode, type Groups, type TargetNode } from '#policy-model';
import type { SuspensionRecord } from './suspension.record.js';

/** Whether a suspension is meant for a node; a selector that cannot be read is meant for none. */
export function suspends(record: SuspensionRecord, node: TargetNode, groups: Groups): boolean {
  const { target } = record;
  if (target.all === true) return true;
  if (target.node !== undefined) return target.node === node.name;
  if (target.selector === undefined) return false;
  try {
    return selectsNode(parseSelector(target.selector), node, groups);
  } catch {
    // Fails towards enforcing: a suspension that nobody can read must not open a host.
    return false;
  }
}

/** Of several that hold for a node the weakest promise counts: off before audit, then the later end, then the id. */
export function strongestOf(records: readonly SuspensionRecord[]): SuspensionRecord | undefined {
  return [...records].sort(bySeverity)[0];
}

function bySeverity(a: SuspensionRecord, b: SuspensionRecord): number {
  if (a.mode !== b.mode) return a.mode === 'off' ? -1 : 1;
  if (a.until !== b.until) return Date.parse(b.until) - Date.parse(a.until);
  return a.id < b.id ? -1 : 1;
}
