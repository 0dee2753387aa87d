import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { findPassphrase, type Passphrase, passphraseOf } from '../config/passphrase.js';
import { SecretFiles, unlock, VAULT_FILE } from '../config/secret-files.js';

/** What `open-secret` is told. */
export interface OpenSecretFlags {
  readonly file: string;
  readonly passphraseFile?: string;
  readonly passphraseStdin?: boolean;
}

/**
 * The secret in a sealed file, for a program of its owner's that is to sign with it. The passphrase comes as at a
 * start, or with `--passphrase-stdin` on standard input, which `stdin` reads; never as an argument. Throws ConfigError.
 */
export function openSecret(flags: OpenSecretFlags, stdin: () => string): string {
  const path = resolve(flags.file);
  const lock = join(dirname(path), VAULT_FILE);
  const passphrase = (): Passphrase | undefined =>
    flags.passphraseStdin
      ? passphraseOf(stdin(), 'standard input')
      : findPassphrase(flags.passphraseFile);
  const secrets = existsSync(lock)
    ? new SecretFiles(unlock(lock, passphrase()))
    : new SecretFiles();
  return secrets.read('secret file', path);
}
