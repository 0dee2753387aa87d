import type { PolicyRemains } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { ProblemAnswer } from '../client/problem-answer.js';
import { CommandFailed } from '../output/errors.js';
import { segment } from '../input/names.js';
import { counted, hosts } from '../output/counted.js';
import { printable } from '../output/printable.js';
import { settled, type Patience } from './wait.js';

/** As many hosts are named one by one. */
const SHOWN = 10;

const TOO_OLD = 'the control plane is of an older version, which does not tell';

/** Waits until no host enforces any of these policies that is not to; throws where that may be at the deadline. `gone` is what is told of each. */
export async function waitUntilGone(
  controlPlane: ControlPlane,
  policies: readonly string[],
  { deadline, tell }: Patience,
  gone = 'is enforced nowhere any more',
): Promise<void> {
  const left: PolicyRemains[] = [];
  for (const policy of policies) {
    const ask = (): Promise<PolicyRemains | undefined> => remainsOf(controlPlane, policy);
    const isSettled = (now?: PolicyRemains): boolean => now === undefined || isGone(now);
    const remains = await settled({ ask, isSettled, deadline });
    if (remains === undefined)
      throw new CommandFailed(
        `where policy ${policy} may remain is not known: ${TOO_OLD}`,
        'replace the control plane by one of this version, or look at each host: `hostward status node NAME`',
      );
    if (isGone(remains)) tell(`policy/${policy} ${gone}`);
    else left.push(remains);
  }
  const [first] = left;
  if (first === undefined) return;
  throw new CommandFailed(
    left.flatMap(remainLines).join('\n'),
    'a host that is silent ends it when it is back; `hostward status node NAME` shows a host',
  );
}

/** Where a policy may still be enforced though it is not to be; undefined of a control plane that cannot say. */
export async function remainsOf(
  controlPlane: ControlPlane,
  policy: string,
): Promise<PolicyRemains | undefined> {
  try {
    return await controlPlane.call<PolicyRemains>(`/v1/policies/${segment(policy)}/remains`);
  } catch (error) {
    // It knows every name, so what it does not find is the question.
    if (error instanceof ProblemAnswer && error.status === 404) return undefined;
    throw error;
  }
}

/** A sentence, then some of the hosts with why; no line where it is on none. */
export function remainLines(remains: PolicyRemains | undefined): readonly string[] {
  if (remains === undefined) return [`where else it may remain is not known: ${TOO_OLD}`];
  if (isGone(remains)) return [];
  const { policy, complete, halted, nodes } = remains;
  const shown = nodes.slice(0, SHOWN);
  const more = remains.hosts - shown.length;
  const where = remains.hosts === 0 ? 'hosts' : hosts(remains.hosts);
  return [
    `policy ${policy} may still be enforced on ${where} it is not meant for`,
    ...shown.map(({ node, reason }) => `  ${node}: ${printable(reason)}`),
    ...(more > 0 ? [`  … and ${counted(more)} more`] : []),
    ...(halted === undefined ? [] : [`  halted: ${printable(halted)}`]),
    ...(complete || halted !== undefined
      ? []
      : ['  this control plane does not know the whole fleet: `hostward doctor` says why']),
  ];
}

function isGone({ hosts: count, complete }: PolicyRemains): boolean {
  return count === 0 && complete;
}
