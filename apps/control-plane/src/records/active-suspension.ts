import { hostnameKeys, parseSelector, selectorMarks, type LabelSelector } from '#policy-model';
import type { SuspensionRecord } from './suspension.record.js';

/** What selects the hosts that a suspension is meant for; one that cannot be read is meant for none. */
export function suspensionSelector({ target }: SuspensionRecord): LabelSelector {
  if (target.all === true) return { matchLabels: { [selectorMarks.allHosts]: 'true' } };
  if (target.node !== undefined) return onlyHost(target.node);
  if (target.selector === undefined) return {};
  try {
    return parseSelector(target.selector);
  } catch {
    // Fails towards enforcing: a suspension that nobody can read must not open a host.
    return {};
  }
}

/** Not as a label, whose value may be a pattern or a list. */
function onlyHost(name: string): LabelSelector {
  return { matchExpressions: [{ key: hostnameKeys.exact, operator: 'In', values: [name] }] };
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
