import type { NodePolicyStatus, PolicyStatus } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { CommandFailed } from '../output/errors.js';
import { segment } from '../input/names.js';
import { age } from '../output/age.js';
import { counted, hosts } from '../output/counted.js';
import { printObject } from '../output/print.js';
import { printable } from '../output/printable.js';
import { proofText } from '../output/proof.js';
import { printReasons } from '../output/reasons.js';
import { summaryLines } from '../output/status-summary.js';
import { stateTone } from '../output/style.js';
import { renderTable, type Column } from '../output/table.js';
import { remainLines, remainsOf } from './wait-gone.js';
import { deadlineOf, notEnforced, settledPolicy } from './wait.js';

/** As many hosts a person reads one by one; of more they want to know how many, and which ones lack something. */
const SHOWN = 25;

/** What `status policy` was asked for. */
export interface PolicyOptions {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly state?: string;
  readonly output: 'table' | 'json' | 'yaml';
}

/** Prints how a policy stands; throws where it is not enforced everywhere. */
export async function policyStatus(
  controlPlane: ControlPlane,
  name: string,
  options: PolicyOptions,
): Promise<void> {
  const isSettled = (now: PolicyStatus): boolean => now.settled;
  const deadline = deadlineOf(options);
  const status = await settledPolicy(controlPlane, name, { isSettled, deadline });
  if (options.output === 'table') {
    printPolicy(status);
    const remains = remainLines(await remainsOf(controlPlane, name));
    if (remains.length > 0) console.log(`\n${remains.join('\n')}`);
  } else printObject(status, options.output);
  if (!status.enforcedEverywhere) throw new CommandFailed(notEnforced(status), remedyFor(status));
}

/** Lists all hosts in some states; a table is printed page by page. */
export async function policyNodes(
  controlPlane: ControlPlane,
  name: string,
  { state, output }: PolicyOptions & { readonly state: string },
): Promise<void> {
  const path = `/v1/policies/${segment(name)}/nodes`;
  if (output !== 'table')
    return printObject(await controlPlane.all<NodePolicyStatus>(path, { state }), output);
  let first: readonly NodePolicyStatus[] | undefined;
  for await (const page of controlPlane.pages<NodePolicyStatus>(path, { state })) {
    const among = [...(first ?? []), ...page];
    if (page.length > 0)
      console.log(renderTable(NODES, page, { header: first === undefined, among }));
    else if (first === undefined) console.log('Nothing found.');
    first ??= page;
  }
}

const NODES: readonly Column<NodePolicyStatus>[] = [
  { title: 'NODE', of: (row) => row.node, cut: 'middle' },
  { title: 'STATE', of: (row) => row.state, tone: (row) => stateTone(row.state) },
  { title: 'CONDITIONS', of: (row) => row.conditions.join(',') || '-' },
  { title: 'PROVED BY', of: proofText },
  { title: 'UNCOVERED', of: (row) => String(row.coverage?.uncoveredProcesses ?? '-') },
  { title: 'AS OF', of: (row) => age(row.asOf, Date.now()) },
];

function printPolicy(status: PolicyStatus): void {
  console.log(
    `policy ${status.policy} at revision ${status.revision}, ${hosts(status.selected)} selected`,
  );
  if (status.selected === 0) return;
  if (status.halted !== undefined) console.log(`halted: ${printable(status.halted)}`);
  if (status.selected <= SHOWN) return printNodes(status.nodes);
  console.log(summaryLines(status.summary).join('\n'));
  const stragglers = status.nodes.filter(({ kept }) => !kept).slice(0, SHOWN);
  if (stragglers.length === 0) return;
  console.log('');
  printNodes(stragglers);
  const more = status.stragglers - stragglers.length;
  if (more > 0) console.log(`… and ${counted(more)} more; --state lists all hosts in a state`);
}

function printNodes(nodes: readonly NodePolicyStatus[]): void {
  console.log(renderTable(NODES, nodes));
  printReasons(nodes.map(({ node, rules }) => ({ of: node, rules })));
  for (const { node, suspension } of nodes)
    if (suspension)
      console.log(
        `${node} is suspended (${suspension.mode}) until ${suspension.until}: ${printable(suspension.reason)}`,
      );
}

function remedyFor({ policy, selected }: PolicyStatus): string {
  return selected === 0
    ? `label hosts so that it selects them; \`hostward explain node NAME policy ${policy}\` shows each test`
    : 'the reasons stand above; `hostward status node NAME` shows a host';
}
