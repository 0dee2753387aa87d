import type { NodeStatus } from '#contracts';
import { statusOnNode, type Evidence, type WantedPolicy } from './report-to-status.js';

/** The status of one host over the policies that select it. */
export function nodeStatus(
  evidence: Evidence,
  nodeId: string | undefined,
  policies: readonly WantedPolicy[],
): NodeStatus {
  const { report, freshness } = evidence;
  const lines = policies.map((policy) => ({ policy, line: statusOnNode(policy, evidence) }));
  return {
    node: evidence.node,
    nodeId,
    connected: freshness.fresh,
    asOf: report?.asOf,
    conditions: statusOnNode(NOTHING, evidence).conditions,
    revocation: evidence.revocation,
    cutOff: evidence.cutOff,
    clone: evidence.clone,
    enforcer: report?.enforcer,
    enforcerReason: report?.enforcerReason,
    suspension: statusOnNode(NOTHING, evidence).suspension,
    coverage: freshness.fresh ? report?.coverage : undefined,
    drift: report?.drift ?? [],
    losses: report?.losses,
    visibility: report?.visibility,
    rolledBack: report?.rolledBack,
    redirect: report?.redirect,
    policies: lines.map(({ policy, line }) => ({
      policy: policy.name,
      revision: policy.revision,
      rules: line.rules,
      state: line.state,
      ...(policy.paused && { paused: true as const }),
    })),
    lastRejection: report?.rejected && {
      code: report.rejected.code,
      message: report.rejected.message,
      at: report.rejected.at,
    },
  };
}

const NOTHING: WantedPolicy = { name: '', revision: '', payload: '', paused: false, rules: [] };
