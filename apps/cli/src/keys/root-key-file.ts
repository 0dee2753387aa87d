import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { env } from 'node:process';
import { type Signer, loadSigner } from '#bundle';
import { runControlPlane } from '../embedded/control-plane.js';
import { CommandFailed, messageOf } from '../output/errors.js';
import { Passphrases } from './passphrase.js';

/**
 * Opens the root key that `up` made, beside its control plane. Where it is encrypted the passphrase comes from
 * `passphraseFile`, from systemd's credential as for the control plane, or else from `passphrases`. Throws
 * CommandFailed.
 */
export async function openRootKey(
  path: string,
  passphrases: Passphrases,
  passphraseFile?: string,
): Promise<Signer> {
  try {
    if (((await stat(path)).mode & 0o077) !== 0) throw new Error('others may read it: chmod 600');
    const text = await readFile(path, 'utf8');
    if (!text.includes('"hostward":"sealed-file"')) return loadSigner(text.trim());
    const from = ['open-secret', `--file=${resolve(path)}`];
    if (passphraseFile !== undefined) from.push(`--passphrase-file=${resolve(passphraseFile)}`);
    else if (!hasCredential()) from.push('--passphrase-stdin');
    const typed = from.includes('--passphrase-stdin');
    const input = typed ? await passphrases.of(basename(path)) : '';
    return loadSigner((await runControlPlane(from, { input })).trim());
  } catch (cause) {
    if (cause instanceof CommandFailed) throw cause;
    const words = messageOf(cause);
    throw new CommandFailed(
      `the root key ${path}: ${words}`,
      '--key-file names its file, which only its owner may read',
      {
        cause,
      },
    );
  }
}

/** The control plane's program, which opens the file, finds it by itself. */
function hasCredential(): boolean {
  const folder = env['CREDENTIALS_DIRECTORY'];
  return folder !== undefined && existsSync(join(folder, 'hostward-passphrase'));
}
