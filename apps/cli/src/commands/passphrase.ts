import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { runControlPlane } from '../embedded/control-plane.js';
import { liveUp } from '../embedded/run-record.js';
import { CommandFailed, UsageError } from '../output/errors.js';
import { pathOf } from '../input/path.js';
import { defaultDataDir } from '../product/package-root.js';

interface Options {
  readonly dataDir: string;
  readonly passphraseFile?: string;
  readonly newPassphraseFile?: string;
  readonly remove?: boolean;
}

/** `passphrase`: the keys of this machine's control plane at rest. Passphrases come from files, never as arguments. */
export function registerPassphrase(program: Command): void {
  program
    .command('passphrase')
    .option('--data-dir <dir>', 'the folder given to up', pathOf('--data-dir'), defaultDataDir())
    .option('--passphrase-file <file>', 'the passphrase in force, where there is one')
    .option('--new-passphrase-file <file>', 'the one that is to be in force')
    .option('--remove', 'decrypt: the keys lie in files of their owner alone, as without it')
    .description('encrypt the keys of the control plane, or change their passphrase')
    .addHelpText(
      'after',
      `
Examples:
  hostward passphrase --new-passphrase-file ~/.hostward-passphrase
  hostward up --detach --passphrase-file ~/.hostward-passphrase
The control plane must be down. A unit of systemd hands the passphrase over by
LoadCredential=hostward-passphrase:FILE instead. Without the passphrase the keys
are lost: keep it elsewhere too.`,
    )
    .action(passphrase);
}

async function passphrase(options: Options): Promise<void> {
  const dataDir = resolve(options.dataDir);
  if ((options.newPassphraseFile === undefined) === (options.remove !== true))
    throw new UsageError('give either --new-passphrase-file or --remove');
  if (liveUp(dataDir) !== undefined)
    throw new CommandFailed('the control plane is up', 'run `hostward down` first');
  const { encrypted, changed } = await run(options, join(dataDir, 'control-plane'));
  console.log(
    encrypted
      ? `The keys are encrypted (${changed} files just now): start with \`hostward up --passphrase-file FILE\`.`
      : `The keys lie in clear, for their owner alone (${changed} files decrypted).`,
  );
}

async function run(
  { passphraseFile, newPassphraseFile, remove }: Options,
  folder: string,
): Promise<{ encrypted: boolean; changed: number }> {
  const flag = (name: string, file: string | undefined) =>
    file === undefined ? [] : [`--${name}=${resolve(file)}`];
  const args = [
    `--data-dir=${folder}`,
    ...flag('passphrase-file', passphraseFile),
    ...flag('new-passphrase-file', newPassphraseFile),
    ...(remove ? ['--remove'] : []),
  ];
  const answer = await runControlPlane(['passphrase', ...args]);
  return JSON.parse(answer) as { encrypted: boolean; changed: number };
}
