import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { NodePolicyStatus, NodeStatus, PolicyStatus } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { CommandFailed, UsageError } from '../errors.js';
import { parseDuration } from '../input/duration.js';
import { age } from '../output/age.js';
import { stateTone } from '../output/style.js';
import { renderTable, type Column } from '../output/table.js';
import { withControlPlane } from './session.js';

interface Options {
  readonly wait?: boolean;
  readonly timeout: number;
  readonly output: string;
}

const POLL_MS = 300;

export function registerStatus(program: Command): void {
  program
    .command('status')
    .argument('<kind>', 'policy or node')
    .argument('<name>')
    .option('--wait', 'wait until every selected host enforces it')
    .option('--timeout <duration>', 'how long --wait waits', parseDuration, 30_000)
    .option('-o, --output <format>', 'table or json', 'table')
    .description('what hosts really do: exit 0 only when it is enforced everywhere')
    .addHelpText(
      'after',
      '\nExamples:\n  hostward status policy block-sleep --wait --timeout 30s\n  hostward status node web1',
    )
    .action((kind: string, name: string, options: Options) =>
      withControlPlane((controlPlane) => {
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
  if (options.wait) await waitUntilEnforced(controlPlane, [name], options.timeout, false);
  const status = await fetchStatus(controlPlane, name);
  if (options.output === 'json') console.log(JSON.stringify(status, null, 2));
  else printPolicy(status);
  if (!status.enforcedEverywhere) throw new CommandFailed(notEnforced(status));
}

async function nodeStatus(
  controlPlane: ControlPlane,
  name: string,
  options: Options,
): Promise<void> {
  const status = await controlPlane.call<NodeStatus>(
    `/v1/nodes/${encodeURIComponent(name)}/status`,
  );
  if (options.output === 'json') return console.log(JSON.stringify(status, null, 2));
  console.log(
    `node ${status.node}: ${status.connected ? 'connected' : 'not connected'}, enforcer ${status.enforcer ?? '-'}, seen ${age(status.asOf, Date.now())} ago`,
  );
  if (status.suspension)
    console.log(
      `suspended (${status.suspension.mode}) until ${status.suspension.until}: ${status.suspension.reason}`,
    );
  if (status.lastRejection)
    console.log(`last rejection: ${status.lastRejection.code}: ${status.lastRejection.message}`);
  for (const drift of status.drift)
    console.log(
      `drift ${drift.detectedAt}: ${drift.what}, ${drift.repairedAt ? `repaired ${drift.repairedAt}` : 'NOT repaired'}`,
    );
  const columns: Column<NodeStatus['policies'][number]>[] = [
    { title: 'POLICY', of: (row) => row.policy, shrinks: true },
    { title: 'STATE', of: (row) => row.state, tone: (row) => stateTone(row.state) },
    { title: 'RULES', of: (row) => String(row.rules.length) },
  ];
  if (status.policies.length > 0) console.log(renderTable(columns, status.policies));
}

function printPolicy(status: PolicyStatus): void {
  const columns: Column<NodePolicyStatus>[] = [
    { title: 'NODE', of: (row) => row.node, shrinks: true },
    { title: 'STATE', of: (row) => row.state, tone: (row) => stateTone(row.state) },
    { title: 'QUALIFIERS', of: (row) => row.qualifiers.join(',') || '-' },
    { title: 'PROVED BY', of: proofText },
    { title: 'UNCOVERED', of: (row) => String(row.coverage?.uncoveredProcesses ?? '-') },
    { title: 'AS OF', of: (row) => age(row.asOf, Date.now()) },
    { title: 'REASON', of: reasonText, shrinks: true },
  ];
  console.log(
    `policy ${status.policy} at revision ${status.revision}, ${status.selected} hosts selected`,
  );
  if (status.nodes.length > 0) console.log(renderTable(columns, status.nodes));
}

function proofText(row: NodePolicyStatus): string {
  const proved = (proof: string): number => row.rules.filter((rule) => rule.proof === proof).length;
  const probed = proved('probe');
  const read = proved('read-back');
  return (
    [probed > 0 ? `probe ${probed}` : '', read > 0 ? `read-back ${read}` : '']
      .filter(Boolean)
      .join(' ') || '-'
  );
}

function reasonText(row: NodePolicyStatus): string {
  const bad = row.rules.find((rule) => rule.reason !== undefined);
  return bad === undefined ? '' : `${bad.id}: ${bad.reason ?? ''}`;
}

/** Waits until each policy is enforced on every selected host; throws what is missing after `timeoutMs`. */
export async function waitUntilEnforced(
  controlPlane: ControlPlane,
  policies: readonly string[],
  timeoutMs: number,
  announce = true,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (const policy of policies) {
    let status = await fetchStatus(controlPlane, policy);
    while (!status.enforcedEverywhere && Date.now() < deadline) {
      await delay(POLL_MS);
      status = await fetchStatus(controlPlane, policy);
    }
    if (!status.enforcedEverywhere && announce)
      throw new CommandFailed(notEnforced(status), `see \`hostward status policy ${policy}\``);
    if (announce)
      console.log(`policy/${policy} enforced on ${status.selected} of ${status.selected} hosts`);
  }
}

function fetchStatus(controlPlane: ControlPlane, name: string): Promise<PolicyStatus> {
  return controlPlane.call<PolicyStatus>(`/v1/policies/${encodeURIComponent(name)}/status`);
}

function notEnforced(status: PolicyStatus): string {
  if (status.selected === 0) return `policy ${status.policy} selects no host`;
  const holds = (node: NodePolicyStatus): boolean =>
    node.qualifiers.length === 0 &&
    node.rules.every((rule) => rule.state === 'enforced' || rule.state === 'audited');
  const missing = status.nodes.filter((node) => !holds(node)).length;
  return `policy ${status.policy} is not enforced on ${missing} of ${status.selected} hosts`;
}
