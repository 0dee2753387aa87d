import type { Command } from 'commander';
import type { ExceptionView } from '#contracts';
import { wantedEnd } from '../input/end-time.js';
import { segment } from '../input/names.js';
import { selectorOf } from '../input/selector.js';
import { outputFormat, printRows, type OutputFormat } from '../output/print.js';
import { exceptions } from './kinds.js';
import { withControlPlane } from '../client/session.js';

interface Options {
  readonly selector: string;
  readonly until: string;
  readonly reason: string;
}

export function registerException(program: Command): void {
  const exception = program
    .command('exception')
    .description('time-bounded exceptions from a policy')
    .addHelpText(
      'after',
      `
Examples:
  hostward exception add zero-trust --selector tier=web --until 2h --reason CVE
  hostward exception list
  hostward exception end ID`,
    );
  exception
    .command('add')
    .argument('<policy>')
    .requiredOption('--selector <labels>', 'the hosts it holds for, e.g. env=prod', selectorOf())
    .requiredOption('--until <time>', 'when it ends: an ISO time or a duration from now (2h)')
    .requiredOption('--reason <text>', 'why; it is kept in the audit log')
    .description('exempt hosts from the Blocks and the list of a policy until a time')
    .addHelpText(
      'after',
      '\nExample:\n  hostward exception add zero-trust --selector tier=web --until 2h --reason CVE',
    )
    .action(async (policy: string, options: Options) => {
      const body = {
        policy,
        selector: options.selector,
        until: wantedEnd('--until', options.until),
        reason: options.reason,
      };
      const made = await withControlPlane((controlPlane) =>
        controlPlane.call<ExceptionView>('/v1/exceptions', { method: 'POST', body }),
      );
      console.log(`exception/${made.id} until ${made.until}`);
    });
  exception
    .command('list')
    .description('exceptions in force')
    .option('-o, --output <format>', 'table, json, yaml or name', outputFormat, 'table')
    .action(async ({ output }: { output: OutputFormat }) => {
      const all = await withControlPlane((controlPlane) =>
        controlPlane.all<never>(exceptions.path),
      );
      printRows(all, output, exceptions.columns, exceptions.nameOf);
    });
  exception
    .command('end')
    .argument('<id>')
    .description('end an exception now')
    .action(async (id: string) => {
      await withControlPlane((controlPlane) =>
        controlPlane.call(`/v1/exceptions/${segment(id)}`, { method: 'DELETE' }),
      );
      console.log(`exception/${id} ended`);
    });
}
