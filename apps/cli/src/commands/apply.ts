import type { Command } from 'commander';
import type { ApplyDocument, ApplyResponse } from '#contracts';
import { stringify } from 'yaml';
import { CommandFailed } from '../errors.js';
import { readInputs } from '../input/files.js';
import { parseDuration } from '../input/duration.js';
import { parseLabels } from '../input/labels.js';
import { acceptedDocuments } from './documents.js';
import { withControlPlane } from './session.js';
import { waitUntilEnforced } from './status.js';

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
  readonly output: string;
}

const EXAMPLES = `
Examples:
  hostward apply -f policy.yaml --wait
  hostward apply -f policies/ --prune --owner web-team
  hostward apply -f community-policy.yaml --selector env=prod`;

export function registerApply(program: Command): void {
  program
    .command('apply')
    .requiredOption('-f, --file <path...>', 'files, folders, or - for standard input')
    .option(
      '--selector <labels>',
      'selector for policies that have none, e.g. env=prod',
      parseLabels,
    )
    .option('--all-hosts', 'policies without a selector are meant for every host')
    .option(
      '--prune',
      'delete what the same owner applied before and is not in these files; needs --owner',
    )
    .option('--owner <name>', 'whose set this is')
    .option('--dry-run', 'say what would happen; write nothing')
    .option('--wait', 'return when every selected host enforces the policies')
    .option('--timeout <duration>', 'how long --wait waits', parseDuration, 60_000)
    .option(
      '--override-protection',
      'take rules that touch what keeps a host reachable (the policy must say so too)',
    )
    .option('-o, --output <format>', 'text or json', 'text')
    .description('create or change policies, groups and hosts from files, all or nothing')
    .addHelpText('after', EXAMPLES)
    .action((options: Options) => apply(options));
}

async function apply(options: Options): Promise<void> {
  const documents = acceptedDocuments(await readInputs(options.file), options);
  const body = documents.map(({ document }) => stringify(document.document)).join('---\n');
  await withControlPlane(async (controlPlane) => {
    const response = await controlPlane.call<ApplyResponse>('/v1/apply', {
      method: 'POST',
      body,
      query: query(options),
    });
    if (options.output === 'json') console.log(JSON.stringify(response, null, 2));
    else response.documents.forEach((document) => printVerdict(document, response.dryRun));
    if (!options.wait || response.dryRun) return;
    const policies = response.documents.filter(waitable).map((document) => document.name);
    await waitUntilEnforced(controlPlane, policies, options.timeout);
  });
}

function query(options: Options): Record<string, string | undefined> {
  if (options.prune && options.owner === undefined) {
    throw new CommandFailed('--prune needs to know whose set this is', 'add --owner NAME');
  }
  const flag = (on: boolean | undefined): string | undefined => (on ? 'true' : undefined);
  return {
    dryRun: flag(options.dryRun),
    prune: flag(options.prune),
    owner: options.owner,
    overrideProtection: flag(options.overrideProtection),
  };
}

function printVerdict(document: ApplyDocument, dryRun: boolean): void {
  const hosts = document.selectedNodes === undefined ? '' : ` (${document.selectedNodes} hosts)`;
  console.log(
    `${document.kind}/${document.name} ${document.verdict}${hosts}${dryRun ? ' (dry run)' : ''}`,
  );
  for (const warning of document.warnings)
    console.error(`warning: ${warning.field}: ${warning.message}`);
}

function waitable(document: ApplyDocument): boolean {
  return document.kind === 'KubeArmorHostPolicy' && document.verdict !== 'pruned';
}
