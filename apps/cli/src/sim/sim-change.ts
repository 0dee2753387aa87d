import { setTimeout as delay } from 'node:timers/promises';
import type { ApplyResponse, PolicyStatus } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { percentile } from './samples.js';
import { reportedHosts } from './reported-hosts.js';
import { segment } from '../input/names.js';
import { monotonicMs, type SimFleet } from './sim-fleet.js';

const POLL_MS = 50;

/** One change of a policy; `label` selects its hosts, `isOne` says which they are. */
export interface SimChange {
  readonly policy: string;
  readonly number: number;
  readonly label: readonly [key: string, value: string];
  readonly isOne: (n: number) => boolean;
  readonly withinMs: number;
}

/** How a change went; times in ms from when the request to apply it was sent. */
export interface ChangeResult {
  readonly revision: string;
  readonly hosts: number;
  /** Hosts that could not load it, and said so. */
  readonly failed: number;
  /** Hosts that did not report it in time, stuck ones among them. */
  readonly missing: number;
  /** When the last host had it in hand; undefined unless hosts hold nudges. */
  readonly lastArrival?: number;
  /** When the rule set was in force on the last host. */
  readonly lastDelivery: number;
  /** When Redis had taken the host's report. */
  readonly ackP50: number;
  readonly ackP99: number;
  /** When the control plane had opened the last report and showed it. */
  readonly lastVerified: number;
}

/** Applies a policy that blocks a program that is nowhere, and waits until its hosts have reported it. */
export async function applyChange(
  fleet: SimFleet,
  controlPlane: ControlPlane,
  change: SimChange,
  signal: AbortSignal,
): Promise<ChangeResult> {
  const { isOne, withinMs, policy } = change;
  const sent = monotonicMs();
  const body = policyText(change);
  const answer = await controlPlane.call<ApplyResponse>('/v1/apply', { method: 'POST', body });
  const revision = BigInt(answer.revision ?? 0);
  const wanted = { generation: revision };
  const acks = await fleet.reached('reported', wanted, { isOne, withinMs, signal });
  const arrived = await fleet.reached('arrived', wanted, { isOne, withinMs: 0, signal });
  const delivered = await fleet.reached('in-force', wanted, { isOne, withinMs: 0, signal });
  const since = (times: ReadonlyMap<string, number>): number[] =>
    [...times.values()].map((at) => at - sent);
  const hosts = fleet.hosts.filter((_, n) => isOne(n)).length;
  const failed = fleet.failed(revision).filter((name) => !acks.has(name)).length;
  const missing = hosts - acks.size - failed;
  await verified(controlPlane, { policy, revision, count: acks.size, withinMs }, signal);
  return {
    revision: String(revision),
    hosts,
    failed,
    missing,
    ...(arrived.size > 0 && { lastArrival: percentile(since(arrived), 100) }),
    lastDelivery: percentile(since(delivered), 100),
    ackP50: percentile(since(acks), 50),
    ackP99: percentile(since(acks), 99),
    lastVerified: monotonicMs() - sent,
  };
}

interface Verified {
  readonly policy: string;
  readonly revision: bigint;
  readonly count: number;
  readonly withinMs: number;
}

/** Waits until the control plane shows that many hosts with a report of their own about this revision. */
async function verified(
  controlPlane: ControlPlane,
  { policy, revision, count, withinMs }: Verified,
  signal: AbortSignal,
): Promise<void> {
  const deadline = monotonicMs() + withinMs;
  for (;;) {
    const status = await controlPlane.call<PolicyStatus>(`/v1/policies/${segment(policy)}/status`);
    if (reportedHosts(status, revision) >= count || monotonicMs() > deadline) return;
    await delay(POLL_MS, undefined, { signal });
  }
}

function policyText({ policy, number, label: [key, value] }: SimChange): string {
  return `apiVersion: security.kubearmor.com/v1
kind: KubeArmorHostPolicy
metadata:
  name: ${policy}
spec:
  nodeSelector:
    matchLabels:
      ${key}: "${value}"
  severity: 5
  process:
    matchPaths:
      - path: /opt/${policy}/program-${number}
  action: Block
`;
}
