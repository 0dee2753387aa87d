import type { Command } from 'commander';
import { CommandFailed } from '../output/errors.js';
import { readInputs } from '../input/files.js';
import { labelSelectorOf } from '../input/selector.js';
import { oneOf } from '../output/print.js';
import { checkFiles, errorCount, warningCount } from './documents.js';

interface Options {
  readonly file: string[];
  readonly mode: 'crd' | 'lenient';
  readonly selector?: Record<string, string>;
  readonly allHosts?: boolean;
  readonly output: string;
}

export function registerValidate(program: Command): void {
  program
    .command('validate')
    .requiredOption('-f, --file <path...>', 'files, folders, or - for standard input')
    .option(
      '--mode <mode>',
      'crd (what Kubernetes accepts) or lenient (with warnings)',
      oneOf('--mode', 'crd', 'lenient'),
      'lenient',
    )
    .option(
      '--selector <labels>',
      'selector for policies that have none',
      labelSelectorOf('--all-hosts'),
    )
    .option('--all-hosts', 'policies without a selector are meant for every host')
    .option('-o, --output <format>', 'text or json', oneOf('-o', 'text', 'json'), 'text')
    .description('check policy files here, without a control plane')
    .addHelpText(
      'after',
      '\nExamples:\n  hostward validate -f policies/\n  hostward validate -f p.yaml --mode crd\nDiagnostics go to standard error as FILE:LINE:COLUMN.',
    )
    .action(async (options: Options) => {
      const checked = checkFiles(await readInputs(options.file), options.mode, options);
      const refused = checked.documents.filter(
        ({ document }) => document.document === undefined,
      ).length;
      if (options.output === 'json') console.log(JSON.stringify(checked.documents, null, 2));
      else {
        const accepted = checked.documents.length - refused;
        console.log(
          `${accepted} accepted, ${refused} refused, ${warningCount(checked.warnings)} (${options.mode})`,
        );
      }
      if (checked.errors > 0)
        throw new CommandFailed(
          errorCount(checked.errors),
          'each error above ends with what to do',
        );
    });
}
