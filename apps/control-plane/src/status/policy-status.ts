import type { PolicyStatus } from '#contracts';
import {
  keepsPromise,
  statusOnNode,
  type Evidence,
  type WantedPolicy,
} from './report-to-status.js';

/**
 * The status of a policy over every host it selects. No host at all is not "everywhere", nor is it where we may not know
 * the whole fleet (`complete` is false): a host that nobody could read may be selected, a newer revision may be there.
 */
export function policyStatus(
  policy: WantedPolicy,
  evidence: readonly Evidence[],
  complete = true,
): PolicyStatus {
  const nodes = evidence.map((each) => statusOnNode(policy, each));
  return {
    policy: policy.name,
    revision: policy.revision,
    enforcedEverywhere:
      complete && nodes.length > 0 && nodes.every((node) => keepsPromise(policy, node)),
    selected: nodes.length,
    nodes,
  };
}
