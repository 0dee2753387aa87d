import { setTimeout as delay } from 'node:timers/promises';
import type { NodePolicyStatus, PolicyStatus } from '#contracts';
import { isPassing, type ControlPlane } from '../client/control-plane.js';
import { CommandFailed } from '../errors.js';
import { segment } from '../input/names.js';

const POLL_MS = 300;
/** What a host has decided about a version of a policy; waiting does not change it. */
const FINAL: readonly string[] = ['unsupported', 'refused'];

/** A policy to wait for, and the revision below which an answer is about the version before. */
export interface Awaited {
  readonly name: string;
  readonly revision?: string;
}

/** Waits until each policy is enforced on every selected host; throws what is missing after `timeoutMs`. */
export async function waitUntilEnforced(
  controlPlane: ControlPlane,
  policies: readonly Awaited[],
  timeoutMs: number,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  const missing: PolicyStatus[] = [];
  for (const policy of policies) {
    const ask = (): Promise<PolicyStatus> => policyStatusOf(controlPlane, policy.name);
    const status = await settled(
      ask,
      (now) => isOf(policy, now) && (now.selected === 0 || policyIsSettled(now)),
      deadline,
    );
    if (status.enforcedEverywhere && isOf(policy, status))
      console.log(`policy/${policy.name} enforced on ${hosts(status.selected)}`);
    else missing.push(status);
  }
  if (missing.length === 0) return;
  const remedy = `\`hostward status policy ${missing[0]?.policy ?? 'NAME'}\` says why`;
  throw new CommandFailed(missing.map(notEnforced).join('\n'), remedy);
}

/** A control plane that lags may still speak of the version before. */
function isOf(policy: Awaited, status: PolicyStatus): boolean {
  return policy.revision === undefined || BigInt(status.revision) >= BigInt(policy.revision);
}

/** Asks until the answer is settled or the deadline has passed; a control plane that is away meanwhile is waited for. */
export async function settled<T>(
  ask: () => Promise<T>,
  isSettled: (answer: T) => boolean,
  deadline: number,
): Promise<T> {
  for (;;) {
    const late = Date.now() >= deadline;
    try {
      const answer = await ask();
      if (late || isSettled(answer)) return answer;
    } catch (error) {
      if (late || !isPassing(error)) throw error;
    }
    await delay(POLL_MS);
  }
}

/** Enforced everywhere, or never going to be on the hosts that do not. */
export function policyIsSettled(status: PolicyStatus): boolean {
  if (status.enforcedEverywhere) return true;
  const rules = status.nodes.flatMap((node) => node.rules);
  return rules.length > 0 && rules.every(({ state }) => isFinal(state)) && anyRefused(status);
}

function anyRefused(status: PolicyStatus): boolean {
  return status.nodes.some((node) => node.rules.some(({ state }) => FINAL.includes(state)));
}

function isFinal(state: string): boolean {
  return FINAL.includes(state) || state === 'enforced' || state === 'audited';
}

export function policyStatusOf(controlPlane: ControlPlane, name: string): Promise<PolicyStatus> {
  return controlPlane.call<PolicyStatus>(`/v1/policies/${segment(name)}/status`);
}

/** One sentence with the number of hosts in each state. */
export function notEnforced(status: PolicyStatus): string {
  if (status.selected === 0) return `policy ${status.policy} selects no host`;
  const counts = new Map<string, number>();
  for (const node of status.nodes) {
    const state = stateText(node);
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  const tally = [...counts].map(([state, count]) => `${count} ${state}`).join(', ');
  return `policy ${status.policy} is not enforced everywhere: of ${hosts(status.selected)} ${tally}`;
}

function stateText({ state, qualifiers }: NodePolicyStatus): string {
  return qualifiers.length === 0 ? state : `${state} but ${qualifiers.join(' and ')}`;
}

/** `1 host`, `3 hosts`. */
export function hosts(count: number): string {
  return count === 1 ? '1 host' : `${count} hosts`;
}
