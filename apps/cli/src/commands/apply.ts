import type { Command } from 'commander';
import type { ApplyDocument, ApplyResponse } from '#contracts';
import { stringify } from 'yaml';
import { UsageError } from '../output/errors.js';
import { type InputFile, readInputs } from '../input/files.js';
import { parseSignedSet } from '../keys/signed-set.js';
import { durationOption } from '../input/duration-option.js';
import { labelSelectorOf } from '../input/selector.js';
import { hosts } from '../output/counted.js';
import { oneOf } from '../output/print.js';
import type { Call } from '../client/control-plane.js';
import { acceptedDocuments } from './documents.js';
import { withControlPlane } from '../client/session.js';
import { waitUntilGone } from './wait-gone.js';
import { deadlineOf, waitUntilEnforced, type Patience } from './wait.js';

interface Options {
  readonly file: string[];
  readonly selector?: Record<string, string>;
  readonly allHosts?: boolean;
  readonly prune?: boolean;
  readonly owner?: string;
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
  readonly overrideProtection?: boolean;
  readonly overrideUnreadable?: boolean;
  readonly output: string;
}

const EXAMPLES = `
Examples:
  hostward apply -f policy.yaml --wait
  hostward apply -f policies/ --prune --owner web-team
  hostward apply -f community-policy.yaml --selector env=prod
Exit 1 when a document is refused (then none was written), and with --wait when
a selected host does not enforce a policy in time, or one that is to lose a
policy by these files may have it still.`;

export function registerApply(program: Command): void {
  program
    .command('apply')
    .requiredOption('-f, --file <path...>', 'files, folders, or - for standard input')
    .option(
      '--selector <labels>',
      'selector for policies that have none, e.g. env=prod',
      labelSelectorOf('--all-hosts'),
    )
    .option('--all-hosts', 'policies without a selector are meant for every host')
    .option(
      '--prune',
      'delete what the same owner applied before and is not in these files; needs --owner',
    )
    .option('--owner <name>', 'whose set this is')
    .option('--dry-run', 'say what would happen, refusals too; write nothing')
    .option(
      '--wait',
      'return when every selected host enforces the policies, also those that hosts have by groups and labels of these files, and none those that it loses by them',
    )
    .addOption(durationOption('--timeout <duration>', 'how long --wait waits', '1m'))
    .option(
      '--override-protection',
      'take rules that would block what keeps a host reachable: you answer for them',
    )
    .option(
      '--override-unreadable',
      'replace records too that the control plane cannot read; another version of it may',
    )
    .option('-o, --output <format>', 'text or json', oneOf('-o', 'text', 'json'), 'text')
    .description('create or change policies, groups and hosts from files, all or nothing')
    .addHelpText('after', EXAMPLES)
    .action((options: Options) => apply(options));
}

async function apply(options: Options): Promise<void> {
  const request = requestOf(await readInputs(options.file), options);
  await withControlPlane(async (controlPlane) => {
    const response = await controlPlane.call<ApplyResponse>(request.path, request.call);
    if (options.output === 'json') console.log(JSON.stringify(response, null, 2));
    else response.documents.forEach((document) => printVerdict(document, response.dryRun));
    if (!options.wait || response.dryRun) return;
    const others = (response.affectedPolicies ?? []).map((name) => ({ name }));
    const policies = [...response.documents.filter(waitable), ...others];
    const patience: Patience = {
      deadline: deadlineOf(options),
      tell: options.output === 'text' ? console.log : console.error,
    };
    await waitUntilEnforced(controlPlane, policies, patience);
    const pruned = response.documents.filter(isPrunedPolicy).map(({ name }) => name);
    await waitUntilGone(controlPlane, pruned, patience);
    const lost = response.lostPolicies ?? [];
    await waitUntilGone(controlPlane, lost, patience, 'is gone from hosts that are to lose it');
  });
}

/** What authors signed goes as it is, everything else as checked documents. */
function requestOf(files: readonly InputFile[], options: Options): { path: string; call: Call } {
  const sets = files.map(({ text }) => parseSignedSet(text));
  if (sets.every((set) => set === undefined)) {
    const documents = acceptedDocuments(files, options);
    const body = documents.map(({ document }) => stringify(document.document)).join('---\n');
    return { path: '/v1/apply', call: { method: 'POST', body, query: query(options) } };
  }
  const signed = sets.flatMap((set) => set ?? []);
  if (sets.includes(undefined))
    throw new UsageError('signed documents and others cannot be applied together');
  const { selector, allHosts, prune, owner, dryRun } = options;
  const { overrideProtection, overrideUnreadable } = options;
  if (
    [selector, allHosts, prune, owner, dryRun, overrideProtection, overrideUnreadable].some(
      (each) => each !== undefined,
    )
  )
    throw new UsageError(
      'signed documents are applied as they are: only --wait, --timeout and -o go with them',
    );
  return { path: '/v1/signed-documents', call: { method: 'POST', body: { v: 1, signed } } };
}

function query(options: Options): Record<string, string | undefined> {
  if (options.prune && options.owner === undefined) {
    throw new UsageError('--prune needs to know whose set this is: add --owner NAME');
  }
  const flag = (on: boolean | undefined): string | undefined => (on ? 'true' : undefined);
  return {
    dryRun: flag(options.dryRun),
    prune: flag(options.prune),
    owner: options.owner,
    overrideProtection: flag(options.overrideProtection),
    overrideUnreadable: flag(options.overrideUnreadable),
  };
}

function printVerdict(document: ApplyDocument, dryRun: boolean): void {
  const { kind, name, verdict, selectedNodes } = document;
  const where = selectedNodes === undefined ? '' : ` (${hosts(selectedNodes)})`;
  console.log(`${kind}/${name} ${verdict}${where}${dryRun ? ' (dry run)' : ''}`);
  for (const warning of document.warnings)
    console.error(`warning: ${warning.field}: ${warning.message}`);
}

function waitable(document: ApplyDocument): boolean {
  return document.kind === 'KubeArmorHostPolicy' && document.verdict !== 'pruned';
}

function isPrunedPolicy({ kind, verdict }: ApplyDocument): boolean {
  return kind === 'KubeArmorHostPolicy' && verdict === 'pruned';
}
