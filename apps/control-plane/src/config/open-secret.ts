import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ConfigError } from './config-error.js';
import { findPassphrase, type Passphrase, passphraseOf } from './passphrase.js';
import { SecretFiles, unlock, VAULT_FILE } from './secret-files.js';

/**
 * The secret in a sealed file, for a program of its owner's that is to sign with it. The passphrase comes as at a
 * start, or with `--passphrase-stdin` on standard input, which `stdin` reads; never as an argument. Throws ConfigError.
 */
export function openSecret(args: readonly string[], stdin: () => string): string {
  const { values } = parseArgs({
    args: [...args],
    options: {
      file: { type: 'string' },
      'passphrase-file': { type: 'string' },
      'passphrase-stdin': { type: 'boolean', default: false },
    },
  });
  if (values.file === undefined) throw new ConfigError('--file', 'missing', 'must name a file');
  const path = resolve(values.file);
  const lock = join(dirname(path), VAULT_FILE);
  const passphrase = (): Passphrase | undefined =>
    values['passphrase-stdin']
      ? passphraseOf(stdin(), 'standard input')
      : findPassphrase(values['passphrase-file']);
  const secrets = existsSync(lock)
    ? new SecretFiles(unlock(lock, passphrase()))
    : new SecretFiles();
  return secrets.read('secret file', path);
}
