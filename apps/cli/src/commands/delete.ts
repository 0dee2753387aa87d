import type { Command } from 'commander';
import { ProblemAnswer } from '../client/problem-answer.js';
import { CommandFailed, UsageError } from '../output/errors.js';
import { durationOption } from '../input/duration-option.js';
import { readInputs } from '../input/files.js';
import { segment } from '../input/names.js';
import { checkFiles } from './documents.js';
import { kindOf, type Kind } from './kinds.js';
import { withControlPlane } from '../client/session.js';
import { deadlineOf } from './wait.js';
import { waitUntilGone } from './wait-gone.js';

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
    .option('--wait', 'of policies: wait until no host enforces them any more')
    .addOption(durationOption('--timeout <duration>', 'how long --wait waits', '1m'))
    .description('delete objects by exact name; hosts are freed at once')
    .addHelpText(
      'after',
      `
Examples:
  hostward delete policy block-sleep --wait
  hostward delete -f policies/
With --wait it exits 1 where a host may enforce a policy after the timeout, and
names it; the same again goes on waiting, also for what is deleted already.
Deleting a node offboards it: it leaves the fleet, gets no policies any more,
and its identity is revoked: the machine comes back only with new keys.`,
    )
    .action(async (word: string | undefined, given: string[], options: Options) => {
      if (options.file !== undefined && word !== undefined)
        throw new UsageError('name either a kind and names, or -f FILE');
      const targets = options.file ? await fromFiles(options.file) : fromWords(word, given);
      const policies = targets.filter(({ kind }) => kind === kindOf('policy'));
      if (options.wait && policies.length < targets.length)
        throw new UsageError('--wait goes with policies alone');
      const absent = await deleteEach(targets, options);
      // Also for policies that were not there: they may have been deleted a moment ago.
      const names = policies.map(({ name }) => name);
      if (options.wait)
        await withControlPlane((controlPlane) =>
          waitUntilGone(controlPlane, names, { deadline: deadlineOf(options), tell: console.log }),
        );
      failFor(absent);
    });
}

interface Options {
  readonly file?: string[];
  readonly overrideUnreadable?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
}

interface Target {
  readonly kind: Kind;
  readonly name: string;
}

/** Deletes each, and fails at the end where some were not there: what was broken off is finished by the same again. */
export async function deleteAll(targets: readonly Target[]): Promise<void> {
  failFor(await deleteEach(targets));
}

/** Answers about those that were not there. */
async function deleteEach(
  targets: readonly Target[],
  { overrideUnreadable }: Pick<Options, 'overrideUnreadable'> = {},
): Promise<readonly ProblemAnswer[]> {
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
  return absent;
}

function failFor(absent: readonly ProblemAnswer[]): void {
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
