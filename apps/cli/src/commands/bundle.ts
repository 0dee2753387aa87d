import type { Command } from 'commander';
import type { Envelope } from '#contracts';
import { segment } from '../input/names.js';
import { outputFile, tellOf, writeOutput } from '../output/output-file.js';
import { withControlPlane } from '../client/session.js';

interface Options {
  readonly node: string;
  readonly output: string;
}

const HELP = `
Example:
  hostward bundle export --node web1 -o web1.bundle
Then, on the host, as root:
  hostward-agent import web1.bundle
It is signed, sealed for that host, and expires as an assignment does; the host
takes it by the checks that it takes every other by, never an older one.`;

/** `bundle export`: policies on foot, for a host that reaches no network. */
export function registerBundle(program: Command): void {
  program
    .command('bundle')
    .description('policies of a host as a file, for one without a network')
    .addHelpText('after', HELP)
    .command('export')
    .requiredOption('--node <name>', 'the host that takes it; no other can read it')
    .requiredOption('-o, --output <file>', 'where it is written', outputFile('-o'))
    .description('write what the host would be given now')
    .action(exportBundle);
}

async function exportBundle({ node, output }: Options): Promise<void> {
  const envelope = await withControlPlane((controlPlane) =>
    controlPlane.call<Envelope>(`/v1/nodes/${segment(node)}/bundle`),
  );
  await writeOutput(output, JSON.stringify(envelope));
  const { generation } = envelope.record.assignmentVersion;
  tellOf(output, `${output}: generation ${generation} for node/${node}`);
}
