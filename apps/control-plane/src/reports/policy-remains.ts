import { STATUS_NODES, type PolicyRemains, type RemainingNode } from '#contracts';
import { hasApplied, keepsBack, rejectionOf, type Evidence } from './report-to-status.js';

/** Where a policy remains among hosts that are not to have it; `evidence` comes in the order of names. */
export function policyRemains(
  policy: string,
  evidence: Iterable<Evidence>,
  complete: boolean,
): PolicyRemains {
  const nodes: RemainingNode[] = [];
  let hosts = 0;
  for (const each of evidence) {
    const reason = whyItMayRemain(policy, each);
    if (reason === undefined) continue;
    hosts += 1;
    if (nodes.length < STATUS_NODES) nodes.push({ node: each.node, reason });
  }
  return { policy, hosts, complete, nodes };
}

/**
 * Undefined where the host has reported that it has applied what it is to have now, without the policy. One that is silent
 * is taken at its last word; one that rejects what it is to have, or can be given nothing new, enforces what it says. Of one
 * that has not said a word, since this control plane or Redis began anew, nothing is known.
 */
function whyItMayRemain(policy: string, evidence: Evidence): string | undefined {
  const { delivered, report, freshness } = evidence;
  if (delivered?.policies.has(policy))
    return keepsBack(evidence) ?? 'the host has not been told yet';
  if (!report) return 'the host has not reported what it enforces';
  const isNamed = report.policies.some((each) => each.policy === policy);
  if (!freshness.fresh)
    return isNamed ? `it had it when last heard: ${freshness.reason}` : undefined;
  const rejected = delivered && rejectionOf(report, delivered);
  if (isNamed) return rejected ?? 'the host has it still';
  // A control plane that has just started does not know yet what the one before it had told the host.
  if (!delivered)
    return keepsBack(evidence) ? undefined : 'what the host was told last is not known yet';
  if (rejected !== undefined || hasApplied(report, delivered)) return undefined;
  return 'the host has not reported what it was told last';
}
