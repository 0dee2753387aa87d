import type { Command } from 'commander';
import { ProblemAnswer } from '../client/problem-answer.js';
import { CommandFailed, UsageError } from '../errors.js';
import { readInputs } from '../input/files.js';
import { segment } from '../input/names.js';
import { checkFiles } from './documents.js';
import { kindOf, type Kind } from './kinds.js';
import { withControlPlane } from './session.js';

const NOT_FOUND = 404;
const KIND_WORDS: Readonly<Record<string, string>> = {
  KubeArmorHostPolicy: 'policy',
  KubeArmorVirtualMachine: 'node',
  Group: 'group',
};

export function registerDelete(program: Command): void {
  program
    .command('delete')
    .argument('[kind]', 'policy, group, node, join-token, api-token, user, suspension or exception')
    .argument('[name...]', 'exact names')
    .option('-f, --file <path...>', 'delete what these files name')
    .option(
      '--override-unreadable',
      'delete them also where the control plane cannot read their records',
    )
    .description('delete objects by exact name; hosts are freed at once')
    .addHelpText(
      'after',
      `
Examples:
  hostward delete policy block-sleep
  hostward delete -f policies/
Deleting a node offboards it: it leaves the fleet, gets no policies any more,
and its identity is revoked: the machine comes back only with new keys.`,
    )
    .action(async (word: string | undefined, names: string[], options: Options) => {
      if (options.file !== undefined && word !== undefined)
        throw new UsageError('name either a kind and names, or -f FILE');
      const targets = options.file ? await fromFiles(options.file) : fromWords(word, names);
      await deleteAll(targets, options);
    });
}

interface Options {
  readonly file?: string[];
  readonly overrideUnreadable?: boolean;
}

interface Target {
  readonly kind: Kind;
  readonly name: string;
}

/** Deletes each, and fails at the end where some were not there: what was broken off is finished by the same again. */
export async function deleteAll(
  targets: readonly Target[],
  { overrideUnreadable }: Pick<Options, 'overrideUnreadable'> = {},
): Promise<void> {
  // Only where it is asked for: what has no such records to delete takes no such question.
  const query = overrideUnreadable ? { overrideUnreadable: 'true' } : undefined;
  const absent: ProblemAnswer[] = [];
  await withControlPlane(async (controlPlane) => {
    for (const { kind, name } of targets) {
      try {
        await controlPlane.call(`${kind.path}/${segment(name)}`, { method: 'DELETE', query });
        console.log(`${kind.singular}/${name} deleted`);
      } catch (error) {
        if (!(error instanceof ProblemAnswer && error.status === NOT_FOUND)) throw error;
        absent.push(error);
      }
    }
  });
  const [first] = absent;
  if (first === undefined) return;
  throw new CommandFailed(absent.map(({ message }) => message).join('\n'), first.remedy);
}

function fromWords(word: string | undefined, names: readonly string[]): Target[] {
  if (word === undefined || names.length === 0)
    throw new UsageError('delete needs a kind and a name, or -f FILE');
  const kind = kindOf(word);
  if (!kind.deletable) throw new UsageError(`${kind.plural} cannot be deleted`);
  return names.map((name) => ({ kind, name }));
}

async function fromFiles(paths: readonly string[]): Promise<Target[]> {
  // A name is all that matters here, so a policy without a selector may be deleted by its file too.
  const files = await readInputs(paths);
  const { documents } = checkFiles(files, 'lenient', { allHosts: true });
  const empty = files.find(({ name }) => documents.every(({ file }) => file !== name));
  if (empty !== undefined)
    throw new CommandFailed(
      `${empty.name} holds no document that can be read; nothing was deleted`,
      'check the paths given to -f',
    );
  return documents.map(({ file, document }) => {
    const word = KIND_WORDS[document.kind];
    if (word === undefined || document.name === '')
      throw new UsageError(`${file} holds a document without a kind or name that can be deleted`);
    return { kind: kindOf(word), name: document.name };
  });
}
