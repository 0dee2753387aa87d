import type { Command } from 'commander';
import type { NodePolicyStatus, NodeStatus, PolicyStatus } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { CommandFailed, UsageError } from '../errors.js';
import { parseDuration } from '../input/duration.js';
import { segment } from '../input/names.js';
import { age, seen } from '../output/age.js';
import { oneOf, printObject } from '../output/print.js';
import { printable } from '../output/printable.js';
import { reasonLines } from '../output/reasons.js';
import { stateTone } from '../output/style.js';
import { renderTable, type Column } from '../output/table.js';
import { withControlPlane } from './session.js';
import { nodeIdOption, verifiedNodeStatus, type VerifyOptions } from './status-verify.js';
import { hosts, notEnforced, policyIsSettled, policyStatusOf, settled } from './wait.js';

type Output = 'table' | 'json' | 'yaml';

interface Options extends VerifyOptions {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly output: Output;
}

export function registerStatus(program: Command): void {
  program
    .command('status')
    .argument('<kind>', 'policy or node')
    .argument('<name>')
    .option('--wait', 'wait until it is enforced, or never will be')
    .option('--timeout <duration>', 'how long --wait waits', parseDuration, 30_000)
    .option('--verify', 'of a node: by its own signature, whoever carries it')
    .option('--node-id <id>', 'with --verify: which host it is; kept', nodeIdOption)
    .option('--root <file>', 'with --verify: the root document to believe; kept')
    .option('--signed <file...>', 'with --verify: what authors signed, to compare')
    .option('--max-age <time>', 'with --verify: no older; 15m where absent', parseDuration)
    .option(
      '-o, --output <format>',
      'table, json or yaml',
      oneOf<Output>('-o', 'table', 'json', 'yaml'),
      'table',
    )
    .description('what hosts really do; exit 0 only when all of it is in force')
    .addHelpText(
      'after',
      `
Examples:
  hostward status policy block-sleep --wait --timeout 30s
  hostward status node web1
  hostward status node web1 --verify --signed signed.json
Exit 0: every selected host enforces every rule (or audits it, where that is its
action); of a node: it is connected and everything meant for it is in force.
Exit 1: something is not; the output says what and why. Exit 2: wrong usage.
--verify believes the host's signature and not the control plane: a node id is
the hash of the host's first key (trust/node-id on the host). Without --node-id
the first id seen under a name is kept, and another one is an error. --signed
takes files of \`hostward sign\`: the host must enforce exactly what they say.`,
    )
    .action((kind: string, name: string, options: Options) =>
      withControlPlane((controlPlane) => {
        if (options.verify && kind === 'node')
          return verifiedNodeStatus(controlPlane, name, options);
        const only =
          options.verify ?? options.nodeId ?? options.root ?? options.signed ?? options.maxAge;
        if (only !== undefined) throw new UsageError('these options go with node NAME --verify');
        if (kind === 'policy') return policyStatus(controlPlane, name, options);
        if (kind === 'node') return nodeStatus(controlPlane, name, options);
        throw new UsageError(`status of "${kind}" is not known: use policy or node`);
      }),
    );
}

async function policyStatus(
  controlPlane: ControlPlane,
  name: string,
  options: Options,
): Promise<void> {
  const ask = (): Promise<PolicyStatus> => policyStatusOf(controlPlane, name);
  const status = await settled(ask, policyIsSettled, deadlineOf(options));
  if (options.output === 'table') printPolicy(status);
  else printObject(status, options.output);
  if (!status.enforcedEverywhere)
    throw new CommandFailed(notEnforced(status), policyRemedy(status));
}

async function nodeStatus(
  controlPlane: ControlPlane,
  name: string,
  options: Options,
): Promise<void> {
  const ask = (): Promise<NodeStatus> =>
    controlPlane.call<NodeStatus>(`/v1/nodes/${segment(name)}/status`);
  const status = await settled(ask, (answer) => amiss(answer) === undefined, deadlineOf(options));
  if (options.output === 'table') printNode(status);
  else printObject(status, options.output);
  const what = amiss(status);
  if (what !== undefined) throw new CommandFailed(`node ${name} ${what}`);
}

function deadlineOf({ wait, timeout }: Options): number {
  return wait ? Date.now() + timeout : 0;
}

/** What keeps a node from having all that is meant for it in force. */
function amiss(status: NodeStatus): string | undefined {
  if (status.revocation) return 'is revoked: what it enforces now is not known';
  if (status.cutOff) return 'is cut off from Redis: what it enforces now is not known';
  if (status.clone) return 'is two machines with one identity';
  if (!status.connected) return 'is not connected: what it enforces now is not known';
  if (status.qualifiers.length > 0) return `is ${status.qualifiers.join(' and ')}`;
  const holds = (state: string): boolean => state === 'enforced' || state === 'audited';
  const missing = status.policies.filter((policy) => !holds(policy.state)).length;
  return missing === 0
    ? undefined
    : `does not enforce ${missing} of its ${status.policies.length} policies`;
}

function linkOf({ connected, revocation, cutOff }: NodeStatus): string {
  if (revocation) return 'revoked';
  if (cutOff) return 'cut off';
  return connected ? 'connected' : 'not connected';
}

function printNode(status: NodeStatus): void {
  const link = linkOf(status);
  const now = Date.now();
  console.log(
    `node ${status.node}: ${link}, enforcer ${status.enforcer ?? 'not known'}, ${seen(status.asOf, now)}`,
  );
  if (status.enforcerReason !== undefined)
    console.log(`why ${status.enforcer}: ${printable(status.enforcerReason)}`);
  if (status.revocation) {
    const { at, by, reason } = status.revocation;
    console.log(`revoked at ${at} by ${printable(by)}: ${printable(reason)}`);
  }
  if (status.cutOff) {
    const { at, until, reason } = status.cutOff;
    console.log(`cut off from Redis at ${at} until ${until}: ${printable(reason)}`);
  }
  if (status.clone)
    console.log(`cloned, found at ${status.clone.at}: ${printable(status.clone.reason)}`);
  if (status.halted !== undefined) console.log(`halted: ${printable(status.halted)}`);
  if (status.qualifiers.length > 0) console.log(`qualifiers: ${status.qualifiers.join(', ')}`);
  if (status.suspension) {
    const { mode, until, reason, by } = status.suspension;
    console.log(`suspended (${mode}) until ${until} by ${by}: ${printable(reason)}`);
  }
  if (status.coverage) {
    const { confinedProcesses, uncoveredProcesses } = status.coverage;
    console.log(`processes: ${confinedProcesses} confined, ${uncoveredProcesses} not reached`);
  }
  if (status.lastRejection) {
    const { code, message, at } = status.lastRejection;
    console.log(`last rejection, ${age(at, now)} ago: ${code}: ${printable(message)}`);
  }
  for (const { what, detectedAt, repairedAt } of status.drift)
    console.log(
      `drift ${detectedAt}: ${printable(what)}, ${repairedAt ? `repaired ${repairedAt}` : 'NOT repaired'}`,
    );
  const lost = lostText(status.losses);
  if (lost !== '') console.log(`lost alerts and records: ${lost}`);
  if (status.policies.length === 0) return console.log('No policy selects it.');
  console.log(renderTable(POLICIES, status.policies));
  printReasons(status.policies.map(({ policy, rules }) => ({ of: policy, rules })));
}

/** What a host could not tell, by cause; empty where it lost nothing. */
function lostText(losses: NodeStatus['losses']): string {
  const { bpf = {}, ...others } = losses ?? {};
  return Object.entries({ ...others, ...bpf })
    .filter(([, count]) => count > 0)
    .map(([cause, count]) => `${count} by ${cause}`)
    .join(', ');
}

const POLICIES: readonly Column<NodeStatus['policies'][number]>[] = [
  { title: 'POLICY', of: (row) => row.policy, cut: 'middle' },
  { title: 'STATE', of: (row) => row.state, tone: (row) => stateTone(row.state) },
  { title: 'RULES', of: (row) => String(row.rules.length) },
  { title: 'PROVED BY', of: proofText },
  { title: 'REVISION', of: (row) => row.revision },
];

const NODES: readonly Column<NodePolicyStatus>[] = [
  { title: 'NODE', of: (row) => row.node, cut: 'middle' },
  { title: 'STATE', of: (row) => row.state, tone: (row) => stateTone(row.state) },
  { title: 'QUALIFIERS', of: (row) => row.qualifiers.join(',') || '-' },
  { title: 'PROVED BY', of: proofText },
  { title: 'UNCOVERED', of: (row) => String(row.coverage?.uncoveredProcesses ?? '-') },
  { title: 'AS OF', of: (row) => age(row.asOf, Date.now()) },
];

function printPolicy(status: PolicyStatus): void {
  console.log(
    `policy ${status.policy} at revision ${status.revision}, ${hosts(status.selected)} selected`,
  );
  if (status.nodes.length === 0) return;
  if (status.halted !== undefined) console.log(`halted: ${printable(status.halted)}`);
  console.log(renderTable(NODES, status.nodes));
  printReasons(status.nodes.map(({ node, rules }) => ({ of: node, rules })));
  for (const { node, suspension } of status.nodes)
    if (suspension)
      console.log(
        `${node} is suspended (${suspension.mode}) until ${suspension.until}: ${printable(suspension.reason)}`,
      );
}

function printReasons(reported: Parameters<typeof reasonLines>[0]): void {
  const lines = reasonLines(reported);
  if (lines.length > 0) console.log(`\n${lines.join('\n')}`);
}

function proofText(row: { readonly rules: NodePolicyStatus['rules'] }): string {
  const proved = (proof: string): number => row.rules.filter((rule) => rule.proof === proof).length;
  const counts = (['probe', 'read-back'] as const).map((proof) => [proof, proved(proof)] as const);
  const text = counts.filter(([, count]) => count > 0).map(([proof, count]) => `${proof} ${count}`);
  return text.join(' ') || '-';
}

function policyRemedy(status: PolicyStatus): string {
  return status.selected === 0
    ? `label hosts so that it selects them; \`hostward explain node NAME policy ${status.policy}\` shows each test`
    : 'the reasons stand above; `hostward status node NAME` shows a host';
}
