import type { PolicyStatus, RuleState } from '#contracts';

/** States that the control plane tells without a report of the host about this very revision. */
const WITHOUT_REPORT: readonly RuleState[] = ['pending', 'delivered', 'unknown'];

/** How many hosts are shown with a report of their own about a policy at `revision` or after. */
export function reportedHosts(status: PolicyStatus, revision: bigint): number {
  if (BigInt(status.revision) < revision) return 0;
  return status.summary
    .filter(({ state }) => !WITHOUT_REPORT.includes(state))
    .reduce((sum, { hosts }) => sum + hosts, 0);
}
