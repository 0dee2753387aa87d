import type { Command } from 'commander';
import { breaksPromise, type NodeStatus, type RedirectReport } from '#contracts';
import type { ControlPlane } from '../client/control-plane.js';
import { CommandFailed, UsageError } from '../output/errors.js';
import { durationOf } from '../input/duration.js';
import { durationOption } from '../input/duration-option.js';
import { segment } from '../input/names.js';
import { age, seen } from '../output/age.js';
import { oneOf, printObject } from '../output/print.js';
import { printable } from '../output/printable.js';
import { rolledBackText } from '../output/rolled-back.js';
import { proofText } from '../output/proof.js';
import { printReasons } from '../output/reasons.js';
import { stateTone } from '../output/style.js';
import { renderTable, type Column } from '../output/table.js';
import { withControlPlane } from '../client/session.js';
import { nodeIdOption, verifiedNodeStatus, type VerifyOptions } from './status-verify.js';
import { policyNodes, policyStatus, type PolicyOptions } from './status-policy.js';
import { deadlineOf, settled } from './wait.js';

type Options = VerifyOptions & PolicyOptions;

export function registerStatus(program: Command): void {
  program
    .command('status')
    .argument('<kind>', 'policy or node')
    .argument('<name>')
    .option('--wait', 'wait until it is enforced, or never will be')
    .addOption(durationOption('--timeout <duration>', 'how long --wait waits', '30s'))
    .option('--state <states>', 'of a policy: list all hosts in these, e.g. pending,failed')
    .option('--verify', 'of a node: by its own signature, whoever carries it')
    .option('--node-id <id>', 'with --verify: which host it is; kept', nodeIdOption)
    .option('--root <file>', 'with --verify: the root document to believe; kept')
    .option('--signed <file...>', 'with --verify: what authors signed, to compare')
    .option(
      '--max-age <time>',
      'with --verify: no older; 15m where absent',
      durationOf('--max-age'),
    )
    .option(
      '-o, --output <format>',
      'table, json or yaml',
      oneOf<PolicyOptions['output']>('-o', 'table', 'json', 'yaml'),
      'table',
    )
    .description('what hosts really do; exit 0 only when all of it is in force')
    .addHelpText(
      'after',
      `
Examples:
  hostward status policy block-sleep --wait --timeout 30s
  hostward status policy block-sleep --state pending,failed
  hostward status node web1
  hostward status node web1 --verify --signed signed.json
Exit 0: every selected host enforces every rule (or audits it, where that is its
action); of a node: it is connected and everything meant for it is in force.
Exit 1: something is not; the output says what and why. Exit 2: wrong usage.
Of many hosts a policy's status counts all and shows some of those that lack
something; --state lists them all, page by page, and ends with 0.
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
        const { state } = options;
        if (state !== undefined && (kind !== 'policy' || options.wait))
          throw new UsageError('--state goes with policy NAME, and without --wait');
        if (state !== undefined) return policyNodes(controlPlane, name, { ...options, state });
        if (kind === 'policy') return policyStatus(controlPlane, name, options);
        if (kind === 'node') return nodeStatus(controlPlane, name, options);
        throw new UsageError(`status of "${kind}" is not known: use policy or node`);
      }),
    );
}

async function nodeStatus(
  controlPlane: ControlPlane,
  name: string,
  options: Options,
): Promise<void> {
  const ask = (): Promise<NodeStatus> =>
    controlPlane.call<NodeStatus>(`/v1/nodes/${segment(name)}/status`);
  const isSettled = (answer: NodeStatus): boolean => amiss(answer) === undefined;
  const status = await settled({ ask, isSettled, deadline: deadlineOf(options) });
  if (options.output === 'table') printNode(status);
  else printObject(status, options.output);
  const what = amiss(status);
  if (what !== undefined) throw new CommandFailed(`node ${name} ${what}`);
}

/** What keeps a node from having all that is meant for it in force. */
function amiss(status: NodeStatus): string | undefined {
  if (status.halted !== undefined) return 'is given nothing, since etcd was restored';
  if (status.revocation) return 'is revoked: what it enforces now is not known';
  if (status.cutOff) return 'is cut off from Redis: what it enforces now is not known';
  if (status.clone) return 'is two machines with one identity';
  if (!status.connected) return 'is not connected: what it enforces now is not known';
  const breaking = status.conditions.filter(breaksPromise);
  if (breaking.length > 0) return `is ${breaking.join(' and ')}`;
  const holds = (state: string): boolean => state === 'enforced' || state === 'audited';
  const meant = status.policies.filter(({ paused }) => !paused);
  const missing = meant.filter((policy) => !holds(policy.state)).length;
  return missing === 0 ? undefined : `does not enforce ${missing} of its ${meant.length} policies`;
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
  if (status.conditions.length > 0) console.log(`conditions: ${status.conditions.join(', ')}`);
  if (status.suspension) {
    const { mode, until, reason, by } = status.suspension;
    console.log(`suspended (${mode}) until ${until} by ${by}: ${printable(reason)}`);
  }
  if (status.coverage) {
    const { confinedProcesses, uncoveredProcesses, byPathAlone } = status.coverage;
    console.log(`processes: ${confinedProcesses} confined, ${uncoveredProcesses} not reached`);
    if (byPathAlone !== undefined)
      console.log(
        `files with several names: some are judged by path alone (${printable(byPathAlone)})`,
      );
  }
  if (status.redirect) console.log(redirectLine(status.redirect));
  if (status.lastRejection) {
    const { code, message, at } = status.lastRejection;
    console.log(`last rejection, ${age(at, now)} ago: ${printable(`${code}: ${message}`)}`);
  }
  if (status.rolledBack) console.log(rolledBackText(status.rolledBack));
  for (const { what, detectedAt, repairedAt } of status.drift)
    console.log(
      `drift ${detectedAt}: ${printable(what)}, ${repairedAt ? `repaired ${repairedAt}` : 'NOT repaired'}`,
    );
  printVisibility(status.visibility);
  const lost = lostText(status.losses);
  if (lost !== '') console.log(`lost alerts and records: ${lost}`);
  if (status.policies.length === 0) return console.log('No policy selects it.');
  console.log(renderTable(POLICIES, status.policies));
  printReasons(status.policies.map(({ policy, rules }) => ({ of: policy, rules })));
}

function redirectLine({ state, to, code, message, at }: RedirectReport): string {
  const why = code === undefined ? '' : `: ${code}: ${message ?? ''}`;
  return printable(`redirect to ${to || 'another control plane'}: ${state} at ${at}${why}`);
}

function printVisibility(visibility: NodeStatus['visibility']): void {
  if (visibility === undefined) return;
  const { wanted, watched, reason = 'not yet', losses } = visibility;
  if (watched.length > 0) console.log(`watched by BPF: ${watched.map(printable).join(', ')}`);
  const missing = wanted.filter((each) => !watched.includes(each)).map(printable);
  if (missing.length > 0) console.log(`NOT watched: ${missing.join(', ')}: ${printable(reason)}`);
  const { repeated, ...lost } = losses;
  if (repeated > 0) console.log(`repetitions left out: ${repeated}`);
  const text = countsText(lost);
  if (text !== '') console.log(`lost telemetry events: ${text}`);
}

/** What a host could not tell, by cause; empty where it lost nothing. */
function lostText(losses: NodeStatus['losses']): string {
  const { bpf = {}, ...others } = losses ?? {};
  return countsText({ ...others, ...bpf });
}

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
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
