import { setTimeout as delay } from 'node:timers/promises';
import type { ApplyResponse, PolicyStatus } from '#contracts';
import type { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { tallyText } from '../../../apps/cli/src/output/status-summary.js';
import { reportedHosts } from '../../../apps/cli/src/sim/reported-hosts.js';
import { BENCH_LABEL } from './bench-fleet.js';

const NAME = 'bench';
/** A fleet is asked for seldom: each question costs the control plane time that the answer would be late by. */
const pollPauseMs = (hosts: number): number => (hosts === 1 ? 2 : 20);
const ACK_WITHIN_MS = 60_000;

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
  const acks: number[] = [];
  while (acks.length < hosts) {
    const status = await controlPlane.call<PolicyStatus>(`/v1/policies/${NAME}/status`);
    const elapsed = performance.now() - started;
    while (acks.length < reportedHosts(status, revision)) acks.push(elapsed);
    if (elapsed > ACK_WITHIN_MS) throw notAcknowledged(status);
    await delay(pollPauseMs(hosts), undefined, { signal });
  }
  return acks;
}

function notAcknowledged({ summary }: PolicyStatus): CommandFailed {
  const seconds = ACK_WITHIN_MS / 1_000;
  return new CommandFailed(`not acknowledged by all within ${seconds} s: ${tallyText(summary)}`);
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
