import type { Command } from 'commander';
import type { ControlPlane } from '../client/control-plane.js';
import { ProblemAnswer } from '../client/problem-answer.js';
import type { PolicyView } from '#contracts';
import { stringify } from 'yaml';
import { readInputs } from '../input/files.js';
import { segment } from '../input/names.js';
import { labelSelectorOf } from '../input/selector.js';
import { inContext, lineDiff } from '../output/line-diff.js';
import { printable } from '../output/printable.js';
import { tone } from '../output/style.js';
import { acceptedDocuments, type SelectorChoice } from './documents.js';
import { withControlPlane } from '../client/session.js';

const PATHS: Readonly<Record<string, string>> = {
  KubeArmorHostPolicy: '/v1/policies/',
  KubeArmorVirtualMachine: '/v1/nodes/',
  Group: '/v1/groups/',
};

export function registerDiff(program: Command): void {
  program
    .command('diff')
    .requiredOption('-f, --file <path...>', 'files, folders, or - for standard input')
    .option(
      '--selector <labels>',
      'selector for policies that have none',
      labelSelectorOf('--all-hosts'),
    )
    .option('--all-hosts', 'policies without a selector are meant for every host')
    .description('what apply would change; exit 1 when something differs')
    .addHelpText('after', '\nExample:\n  hostward diff -f policies/ || echo "not what is applied"')
    .action(async (options: SelectorChoice & { file: string[] }) => {
      const documents = acceptedDocuments(await readInputs(options.file), options);
      let different = 0;
      await withControlPlane(async (controlPlane) => {
        for (const { document } of documents) {
          const before = await stored(controlPlane, document.kind, document.name);
          const lines = lineDiff(before, stringify(document.document, { sortMapEntries: true }));
          if (lines.every((line) => line.startsWith(' '))) continue;
          different++;
          const isNew = before === '' ? ' (new)' : '';
          console.log(`${document.kind}/${document.name}${isNew}`);
          inContext(lines).forEach((line) => console.log(painted(printable(line))));
        }
      });
      if (different === 0) return;
      console.error(`${different} of ${documents.length} documents differ`);
      process.exitCode = 1;
    });
}

async function stored(controlPlane: ControlPlane, kind: string, name: string): Promise<string> {
  const path = `${PATHS[kind] ?? '/v1/policies/'}${segment(name)}`;
  try {
    const { document } = await controlPlane.call<PolicyView>(path);
    return stringify(document, { sortMapEntries: true });
  } catch (error) {
    if (error instanceof ProblemAnswer && error.status === 404) return '';
    throw error;
  }
}

function painted(line: string): string {
  if (line.startsWith('+')) return tone(line, 'green');
  return line.startsWith('-') ? tone(line, 'red') : line;
}
