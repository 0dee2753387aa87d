import { setTimeout as delay } from 'node:timers/promises';
import type { ApplyResponse, NodePolicyStatus, PolicyStatus, RuleState } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { CommandFailed } from '../errors.js';
import { BENCH_LABEL } from './bench-fleet.js';

const NAME = 'bench';
/** A fleet is asked for seldom: each question costs the control plane time that the answer would be late by. */
const pollPauseMs = (hosts: number): number => (hosts === 1 ? 2 : 20);
const ACK_WITHIN_MS = 60_000;
/** States that the control plane tells without a report of the host about this very revision. */
const WITHOUT_REPORT: readonly RuleState[] = ['pending', 'delivered', 'unknown'];

/**
 * Applies one changed policy by REST and asks for its status until each of `hosts` hosts is shown with its own report
 * about this revision. Milliseconds from the request to each ack, in order; each is late by up to one question.
 */
export async function applyRound(
  controlPlane: ControlPlane,
  round: number,
  hosts: number,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const body = policyText(round);
  const started = performance.now();
  const answer = await controlPlane.call<ApplyResponse>('/v1/apply', { method: 'POST', body });
  const revision = BigInt(answer.revision ?? 0);
  const acks = new Map<string, number>();
  while (acks.size < hosts) {
    const status = await controlPlane.call<PolicyStatus>(`/v1/policies/${NAME}/status`);
    const elapsed = performance.now() - started;
    for (const node of status.nodes) {
      if (!acks.has(node.node) && acknowledges(node, revision)) acks.set(node.node, elapsed);
    }
    if (elapsed > ACK_WITHIN_MS) throw notAcknowledged(status, acks);
    await delay(pollPauseMs(hosts), undefined, { signal });
  }
  return [...acks.values()];
}

function acknowledges({ state, generation }: NodePolicyStatus, revision: bigint): boolean {
  return !WITHOUT_REPORT.includes(state) && BigInt(generation ?? 0) >= revision;
}

function notAcknowledged(status: PolicyStatus, acks: ReadonlyMap<string, number>): CommandFailed {
  const silent = status.nodes
    .filter(({ node }) => !acks.has(node))
    .map(({ node, state, generation }) => `${node} (${state} at ${generation ?? 'none'})`);
  return new CommandFailed(
    `not acknowledged within ${ACK_WITHIN_MS / 1_000} s: ${silent.slice(0, 5).join(', ')}`,
  );
}

function policyText(round: number): string {
  const labels = Object.entries(BENCH_LABEL).map(([key, value]) => `      ${key}: ${value}`);
  return `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata:
  name: ${NAME}
spec:
  nodeSelector:
    matchLabels:
${labels.join('\n')}
  severity: 5
  process:
    matchPaths:
      - path: /opt/bench/program-${round}
  action: Block
`;
}
