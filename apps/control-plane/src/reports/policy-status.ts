import {
  STATUS_NODES,
  type NodePolicyStatus,
  type PolicyStatus,
  type RuleState,
  type RuleStatus,
} from '#contracts';
import { statusOnNode, type Evidence, type WantedPolicy } from './report-to-status.js';
import { StatusTally } from './status-tally.js';

/** What a host has decided about a version of a policy; waiting does not change it. */
const DECIDED_AGAINST: readonly RuleState[] = ['unsupported', 'refused'];
const KEPT: readonly RuleState[] = ['enforced', 'audited'];

/**
 * The status of a policy over every host it selects. No host at all is not "everywhere", nor is it where we may not know
 * the whole fleet (`complete` is false): a host that nobody could read may be selected, a newer revision may be there.
 * `evidence` comes in the order of names and is gone through once; what is kept of it is bounded.
 */
export function policyStatus(
  policy: WantedPolicy,
  evidence: Iterable<Evidence>,
  complete = true,
): PolicyStatus {
  const tally = new StatusTally();
  const kept: NodePolicyStatus[] = [];
  const stragglers: NodePolicyStatus[] = [];
  let final = true;
  let against = false;
  for (const each of evidence) {
    const line = statusOnNode(policy, each);
    const shown = line.kept ? kept : stragglers;
    if (shown.length < STATUS_NODES) shown.push(line);
    tally.add(line, reasonOf(line, each));
    final &&= line.rules.every((rule) => KEPT.includes(rule.state) || isGivenUp(rule));
    against ||= line.rules.some(isGivenUp);
  }
  const { hosts: selected, stragglers: missing } = tally;
  const enforcedEverywhere = complete && selected > 0 && missing === 0;
  return {
    policy: policy.name,
    revision: policy.revision,
    enforcedEverywhere,
    selected,
    stragglers: missing,
    settled: enforcedEverywhere || (final && against),
    summary: tally.groups(),
    nodes: [...stragglers, ...kept].slice(0, STATUS_NODES).sort(byName),
  };
}

/** Decided against, or in force with nothing that comes of it. */
function isGivenUp({ state, proof }: RuleStatus): boolean {
  return DECIDED_AGAINST.includes(state) || (state === 'delivered' && proof !== undefined);
}

/** Why the weakest rule of a host is as it is; silence in words that many hosts share. */
function reasonOf({ state, rules }: NodePolicyStatus, evidence: Evidence): string | undefined {
  const found = rules.find((rule) => rule.state === state && rule.reason !== undefined)?.reason;
  const { freshness } = evidence;
  if (freshness.fresh || found !== freshness.reason) return found;
  return freshness.brief ?? found;
}

function byName(one: NodePolicyStatus, other: NodePolicyStatus): number {
  return one.node < other.node ? -1 : 1;
}
