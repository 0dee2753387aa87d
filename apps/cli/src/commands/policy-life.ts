import type { Command } from 'commander';
import type { PolicyVersion, PolicyView } from '#contracts';
import { UsageError } from '../output/errors.js';
import { durationOption } from '../input/duration-option.js';
import { segment } from '../input/names.js';
import { outputFormat, printRows, type OutputFormat } from '../output/print.js';
import type { Column } from '../output/table.js';
import { withControlPlane } from '../client/session.js';
import { deadlineOf } from './wait.js';
import { waitUntilGone } from './wait-gone.js';

const VERSIONS: readonly Column<PolicyVersion>[] = [
  { title: 'VERSION', of: (row) => String(row.version) },
  { title: 'CHANGE', of: (row) => row.change },
  { title: 'REVISION', of: (row) => row.revision },
  { title: 'AT', of: (row) => row.at },
  { title: 'BY', of: (row) => row.by },
];

/** `history`, `rollback`, `pause` and `resume` of a policy: its life after it was applied. */
export function registerPolicyLife(program: Command): void {
  program
    .command('history')
    .argument('<kind>', 'policy')
    .argument('<name>')
    .option('-o, --output <format>', 'table, json, yaml or name', outputFormat, 'table')
    .description('the newest 50 versions of a policy, newest first')
    .addHelpText(
      'after',
      '\nExamples:\n  hostward history policy block-sleep\n  hostward history policy block-sleep -o yaml    # with the documents',
    )
    .action(async (kind: string, name: string, options: { output: OutputFormat }) => {
      const versions = await withControlPlane((controlPlane) =>
        controlPlane.all<PolicyVersion>(`${path(kind, name)}/history`),
      );
      printRows(versions, options.output, VERSIONS, (row) => String(row.version));
    });
  program
    .command('rollback')
    .argument('<kind>', 'policy')
    .argument('<name>')
    .option('--to <version>', 'a version of its history; the one before by default')
    .description('make an earlier version the newest')
    .addHelpText(
      'after',
      '\nExamples:\n  hostward rollback policy block-sleep\n  hostward rollback policy block-sleep --to 3',
    )
    .action(async (kind: string, name: string, options: { to?: string }) => {
      const version = options.to === undefined ? undefined : Number(options.to);
      if (version !== undefined && !Number.isSafeInteger(version))
        throw new UsageError(`--to "${options.to ?? ''}" is not a version number`);
      await change(kind, name, 'rollback', 'rolled back', { version });
    });
  program
    .command('pause')
    .argument('<kind>', 'policy')
    .argument('<name>')
    .option('--wait', 'wait until no host enforces it any more')
    .addOption(durationOption('--timeout <duration>', 'how long --wait waits', '1m'))
    .description('take a policy off its hosts and keep it')
    .addHelpText('after', '\nExample:\n  hostward pause policy block-sleep --wait')
    .action(async (kind: string, name: string, options: { wait?: boolean; timeout: number }) => {
      await change(kind, name, 'pause', 'paused');
      if (!options.wait) return;
      await withControlPlane((controlPlane) =>
        waitUntilGone(controlPlane, [name], { deadline: deadlineOf(options), tell: console.log }),
      );
    });
  program
    .command('resume')
    .argument('<kind>', 'policy')
    .argument('<name>')
    .description('enforce a paused policy again')
    .addHelpText('after', '\nExample:\n  hostward resume policy block-sleep')
    .action((kind: string, name: string) => change(kind, name, 'resume', 'resumed'));
}

async function change(
  kind: string,
  name: string,
  verb: string,
  done: string,
  body: object = {},
): Promise<void> {
  const view = await withControlPlane((controlPlane) =>
    controlPlane.call<PolicyView>(`${path(kind, name)}/${verb}`, { method: 'POST', body }),
  );
  const still = view.paused && verb === 'rollback' ? ', and still paused' : '';
  console.log(`policy/${view.name} ${done} (revision ${view.revision})${still}`);
}

function path(kind: string, name: string): string {
  if (!['policy', 'policies', 'hsp'].includes(kind))
    throw new UsageError(`only policies have this, not "${kind}"`);
  return `/v1/policies/${segment(name)}`;
}
