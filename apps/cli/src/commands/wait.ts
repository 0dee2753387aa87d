import { setTimeout as delay } from 'node:timers/promises';
import type { PolicyStatus } from '#contracts';
import { isPassing, type ControlPlane } from '../client/control-plane.js';
import { CommandFailed } from '../output/errors.js';
import { segment } from '../input/names.js';
import { hosts } from '../output/counted.js';
import { Progress } from '../output/progress.js';
import {
  progressBar,
  progressText,
  selectedText,
  summaryLines,
  tallyText,
} from '../output/status-summary.js';

const POLL_MS = 300;
const LONGEST_POLL_MS = 5_000;
/** A question waits so many times as long as the answer before took: who waits must not be what is waited for. */
const PAUSE_SHARE = 10;

/** A policy to wait for, and the revision below which an answer is about the version before. */
export interface Awaited {
  readonly name: string;
  readonly revision?: string;
}

/** How to ask again and again; `tell` hears of each answer that is not the last. */
export interface Asking<T> {
  readonly ask: () => Promise<T>;
  readonly isSettled: (answer: T) => boolean;
  readonly deadline: number;
  readonly tell?: (answer: T) => void;
}

/** Until when a command waits; one that does not wait asks once. */
export function deadlineOf(options: { readonly wait?: boolean; readonly timeout: number }): number {
  return options.wait ? Date.now() + options.timeout : 0;
}

/** Until when commands wait together, in ms of our clock, and who hears of each policy that they need not wait for any more. */
export interface Patience {
  readonly deadline: number;
  readonly tell: (line: string) => void;
}

/** Waits until each policy is enforced on every selected host; throws what is missing at the deadline. */
export async function waitUntilEnforced(
  controlPlane: ControlPlane,
  policies: readonly Awaited[],
  { deadline, tell }: Patience,
): Promise<void> {
  const missing: PolicyStatus[] = [];
  for (const policy of policies) {
    const isSettled = (now: PolicyStatus): boolean =>
      isOf(policy, now) && (now.selected === 0 || now.settled);
    const status = await settledPolicy(controlPlane, policy.name, { isSettled, deadline });
    if (status.enforcedEverywhere && isOf(policy, status))
      tell(`policy/${policy.name} enforced on ${selectedText(status)}`);
    else missing.push(status);
  }
  if (missing.length === 0) return;
  const remedy = `\`hostward status policy ${missing[0]?.policy ?? 'NAME'}\` says why`;
  throw new CommandFailed(missing.map(withStragglers).join('\n'), remedy);
}

/** Waits for a policy with its progress on standard error. */
export async function settledPolicy(
  controlPlane: ControlPlane,
  name: string,
  { isSettled, deadline }: Pick<Asking<PolicyStatus>, 'isSettled' | 'deadline'>,
): Promise<PolicyStatus> {
  const progress = new Progress();
  const ask = (): Promise<PolicyStatus> => policyStatusOf(controlPlane, name);
  const tell = (status: PolicyStatus): void =>
    progress.show(progressText(status), progressBar(status));
  try {
    return await settled({ ask, isSettled, deadline, tell });
  } finally {
    progress.clear();
  }
}

/** A control plane that lags may still speak of the version before. */
function isOf(policy: Awaited, status: PolicyStatus): boolean {
  return policy.revision === undefined || BigInt(status.revision) >= BigInt(policy.revision);
}

/** Asks until the answer is settled or the deadline has passed; a control plane that is away meanwhile is waited for. */
export async function settled<T>({ ask, isSettled, deadline, tell }: Asking<T>): Promise<T> {
  for (;;) {
    const asked = Date.now();
    const late = asked >= deadline;
    try {
      const answer = await ask();
      if (late || isSettled(answer)) return answer;
      tell?.(answer);
    } catch (error) {
      if (late || !isPassing(error)) throw error;
    }
    const took = Date.now() - asked;
    await delay(Math.min(Math.max(POLL_MS, PAUSE_SHARE * took), LONGEST_POLL_MS));
  }
}

function policyStatusOf(controlPlane: ControlPlane, name: string): Promise<PolicyStatus> {
  return controlPlane.call<PolicyStatus>(`/v1/policies/${segment(name)}/status`);
}

/** One sentence with the number of hosts in each state. */
export function notEnforced({ policy, selected, summary }: PolicyStatus): string {
  if (selected === 0) return `policy ${policy} selects no host`;
  return `policy ${policy} is not enforced everywhere: of ${hosts(selected)} ${tallyText(summary)}`;
}

/** The sentence, then who and why. */
function withStragglers(status: PolicyStatus): string {
  const lines = summaryLines(status.summary.filter(({ kept }) => !kept));
  return [notEnforced(status), ...lines.map((line) => `  ${line}`)].join('\n');
}
