import type { Command } from 'commander';
import { UsageError } from '../errors.js';
import { readInputs } from '../input/files.js';
import { checkFiles } from './documents.js';
import { kindOf } from './kinds.js';
import { withControlPlane } from './session.js';

const KIND_WORDS: Readonly<Record<string, string>> = {
  KubeArmorHostPolicy: 'policies',
  KubeArmorVirtualMachine: 'nodes',
  Group: 'groups',
};

export function registerDelete(program: Command): void {
  program
    .command('delete')
    .argument('[kind]', 'policy, group, node, join-token or suspension')
    .argument('[name...]', 'exact names')
    .option('-f, --file <path...>', 'delete what these files name')
    .description('delete objects by exact name; hosts are freed at once')
    .addHelpText(
      'after',
      '\nExamples:\n  hostward delete policy block-sleep\n  hostward delete -f policies/',
    )
    .action(async (word: string | undefined, names: string[], options: { file?: string[] }) => {
      const targets = options.file ? await fromFiles(options.file) : fromWords(word, names);
      await withControlPlane(async (controlPlane) => {
        for (const { plural, name } of targets) {
          await controlPlane.call(`/v1/${plural}/${encodeURIComponent(name)}`, {
            method: 'DELETE',
          });
          console.log(`${plural}/${name} deleted`);
        }
      });
    });
}

interface Target {
  readonly plural: string;
  readonly name: string;
}

function fromWords(word: string | undefined, names: readonly string[]): Target[] {
  if (word === undefined || names.length === 0)
    throw new UsageError('delete needs a kind and a name, or -f FILE');
  const kind = kindOf(word);
  if (!kind.deletable) throw new UsageError(`${kind.plural} cannot be deleted`);
  return names.map((name) => ({ plural: kind.plural, name }));
}

async function fromFiles(paths: readonly string[]): Promise<Target[]> {
  // A name is all that matters here, so a policy without a selector may be deleted by its file too.
  const { documents } = checkFiles(await readInputs(paths), 'lenient', { allHosts: true });
  return documents.map(({ document }) => {
    const plural = KIND_WORDS[document.kind];
    if (plural === undefined)
      throw new UsageError(`${document.kind} "${document.name}" is no kind that can be deleted`);
    return { plural, name: document.name };
  });
}
