import type { PolicyRemains } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { CommandFailed } from '../errors.js';
import { segment } from '../input/names.js';
import { counted, hosts } from '../output/counted.js';
import { printable } from '../output/printable.js';
import { settled, type Patience } from './wait.js';

/** As many hosts are named one by one. */
const SHOWN = 10;

/** Waits until no host enforces any of these policies that is not to; throws where that may be at the deadline. */
export async function waitUntilGone(
  controlPlane: ControlPlane,
  policies: readonly string[],
  { deadline, tell }: Patience,
): Promise<void> {
  const left: PolicyRemains[] = [];
  for (const policy of policies) {
    const ask = (): Promise<PolicyRemains> => remainsOf(controlPlane, policy);
    const remains = await settled({ ask, isSettled: isGone, deadline });
    if (isGone(remains)) tell(`policy/${policy} is enforced nowhere any more`);
    else left.push(remains);
  }
  const [first] = left;
  if (first === undefined) return;
  throw new CommandFailed(
    left.flatMap(remainLines).join('\n'),
    'a host that is silent ends it when it is back; `hostward status node NAME` shows a host',
  );
}

/** Where a policy may still be enforced though it is not to be. */
export function remainsOf(controlPlane: ControlPlane, policy: string): Promise<PolicyRemains> {
  return controlPlane.call<PolicyRemains>(`/v1/policies/${segment(policy)}/remains`);
}

/** A sentence, then some of the hosts with why; no line where it is on none. */
export function remainLines(remains: PolicyRemains): readonly string[] {
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
