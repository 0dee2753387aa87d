import type { Command } from 'commander';
import type { PolicyView } from '#contracts';
import { stringify } from 'yaml';
import { CommandFailed } from '../errors.js';
import { readInputs } from '../input/files.js';
import { parseLabels } from '../input/labels.js';
import { lineDiff } from '../output/line-diff.js';
import { tone } from '../output/style.js';
import { acceptedDocuments, type SelectorChoice } from './documents.js';
import { withControlPlane } from './session.js';
import type { ControlPlane } from '../client/control-plane.js';

const PATHS: Readonly<Record<string, string>> = {
  KubeArmorHostPolicy: '/v1/policies/',
  KubeArmorVirtualMachine: '/v1/nodes/',
  Group: '/v1/groups/',
};

export function registerDiff(program: Command): void {
  program
    .command('diff')
    .requiredOption('-f, --file <path...>', 'files, folders, or - for standard input')
    .option('--selector <labels>', 'selector for policies that have none', parseLabels)
    .option('--all-hosts', 'policies without a selector are meant for every host')
    .description('what apply would change; exit 1 when something differs')
    .action(async (options: SelectorChoice & { file: string[] }) => {
      const documents = acceptedDocuments(await readInputs(options.file), options);
      let different = 0;
      await withControlPlane(async (controlPlane) => {
        for (const { document } of documents) {
          const before = await stored(controlPlane, document.kind, document.name);
          const lines = lineDiff(before, stringify(document.document, { sortMapEntries: true }));
          if (lines.every((line) => line.startsWith(' '))) continue;
          different++;
          console.log(`${document.kind}/${document.name}`);
          lines.forEach((line) => console.log(painted(line)));
        }
      });
      if (different > 0)
        throw new CommandFailed(`${different} of ${documents.length} documents differ`);
    });
}

async function stored(controlPlane: ControlPlane, kind: string, name: string): Promise<string> {
  const answer = await controlPlane.answer(
    `${PATHS[kind] ?? '/v1/policies/'}${encodeURIComponent(name)}`,
  );
  if (answer.status === 404) return '';
  if (answer.status >= 400)
    throw new CommandFailed(`the control plane answered ${answer.status} for ${kind}/${name}`);
  return stringify((answer.body as PolicyView).document, { sortMapEntries: true });
}

function painted(line: string): string {
  if (line.startsWith('+')) return tone(line, 'green');
  return line.startsWith('-') ? tone(line, 'red') : line;
}
