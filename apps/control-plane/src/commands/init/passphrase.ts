import { existsSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError } from '../../config/index.js';
import { checkNewPassphrase, findPassphrase } from '../../config/passphrase.js';
import { SecretFiles, unlock } from '../../config/secret-files.js';
import { isSealed, Vault } from '../../config/vault.js';
import { ownLayout, type Layout } from './layout.js';
import { writePrivate } from '../../config/private-file.js';

/** What `passphrase` is told. */
export interface PassphraseFlags {
  readonly dataDir: string;
  readonly passphraseFile?: string;
  readonly newPassphraseFile?: string;
  readonly remove?: boolean;
}

interface PassphraseOptions extends Omit<PassphraseFlags, 'dataDir'> {
  readonly files: Layout;
}

/** What `passphrase` answers: how many secret files it has sealed or opened. */
export interface PassphraseAnswer {
  readonly encrypted: boolean;
  readonly changed: number;
}

/**
 * Sets, changes or takes away the passphrase of a data directory, whose control plane must not run. It may be broken
 * off at any point and run again. Throws ConfigError.
 */
export function passphrase({ dataDir, ...flags }: PassphraseFlags): PassphraseAnswer {
  const options = { files: ownLayout(resolve(dataDir)), ...flags };
  if (!existsSync(options.files.onlineKey))
    throw new ConfigError('--data-dir', options.files.dataDir, 'holds no keys of a control plane');
  return options.remove ? remove(options) : set(options);
}

/** As in a new data directory: everything that is written from now on is sealed. */
export function makeVault(files: Layout, passphraseFile: string | undefined): void {
  const found = findPassphrase(passphraseFile);
  if (found === undefined) return;
  checkNewPassphrase(found);
  writePrivate(files.vault, newVault(files).lock(found.text));
}

function set({ files, passphraseFile, newPassphraseFile }: PassphraseOptions): PassphraseAnswer {
  const next = findPassphrase(newPassphraseFile);
  if (next === undefined)
    throw new ConfigError(
      '--new-passphrase-file',
      'missing',
      'must name the file with the new one, where systemd gives none (LoadCredential=hostward-passphrase)',
    );
  checkNewPassphrase(next);
  const vault = existsSync(files.vault)
    ? unlock(files.vault, findPassphrase(passphraseFile))
    : newVault(files);
  // The lock first: a sealed file without it would be lost.
  writePrivate(files.vault, vault.lock(next.text));
  const changed = rewrite(files, new SecretFiles(vault), new SecretFiles(vault), false);
  return { encrypted: true, changed };
}

function remove({ files, passphraseFile }: PassphraseOptions): PassphraseAnswer {
  if (!existsSync(files.vault)) {
    mustBeClear(files);
    return { encrypted: false, changed: 0 };
  }
  const vault = unlock(files.vault, findPassphrase(passphraseFile));
  const changed = rewrite(files, new SecretFiles(vault), new SecretFiles(), true);
  rmSync(files.vault);
  return { encrypted: false, changed };
}

/** Throws ConfigError where a file is sealed by one that is missing: it would not open by this one. */
function newVault(files: Layout): Vault {
  mustBeClear(files);
  return Vault.make();
}

function mustBeClear(files: Layout): void {
  const withoutVault = new SecretFiles();
  for (const path of files.secrets.filter((each) => existsSync(each))) withoutVault.readAny(path);
}

/** Writes those that are sealed, or that are not, by `to`; answers how many. */
function rewrite(files: Layout, from: SecretFiles, to: SecretFiles, sealed: boolean): number {
  const found = files.secrets
    .filter((path) => existsSync(path))
    .filter((path) => isSealed(readFileSync(path, 'utf8')) === sealed);
  for (const path of found) to.write(path, from.readAny(path));
  return found.length;
}
