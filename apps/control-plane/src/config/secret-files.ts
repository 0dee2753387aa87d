import { existsSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { ConfigError } from './config-error.js';
import { readIfThere, writePrivate } from './private-file.js';
import { findPassphrase, type Passphrase } from './passphrase.js';
import { checkPrivate, readText } from './private.js';
import { isSealed, Vault } from './vault.js';

const PASSPHRASE = 'passphrase';
const HOW_GIVEN =
  '--passphrase-file, keys.passphraseFile, or systemd’s LoadCredential=hostward-passphrase:FILE';

/** Name of the file that holds a vault's key; it lies beside the root document. */
export const VAULT_FILE = 'vault.json';

/** Reads and writes files that hold a secret: sealed where the folder has a passphrase, else as they are. */
export class SecretFiles {
  /** `folder`: where nothing may lie in clear beside the vault; elsewhere is what an operator keeps. Default: everywhere. */
  constructor(
    readonly vault?: Vault,
    private readonly folder = '/',
  ) {}

  /**
   * Those of the folder in which the vault's file lies, or would lie. Throws ConfigError where a passphrase is missing
   * or wrong, and where there is one that nothing is under: whoever gives one believes that it protects something.
   */
  static open(keysFolder: string, passphraseFile: string | undefined): SecretFiles {
    const path = join(keysFolder, VAULT_FILE);
    const passphrase = findPassphrase(passphraseFile);
    if (existsSync(path))
      return new SecretFiles(unlock(path, passphrase), dirname(resolve(keysFolder)));
    if (passphrase === undefined) return new SecretFiles();
    throw new ConfigError(
      PASSPHRASE,
      passphrase.file,
      `is given, but the keys in ${keysFolder} lie in clear: encrypt them by \`hostward passphrase\`, or give none`,
    );
  }

  /** Of files in clear, which others have made. */
  get plain(): SecretFiles {
    return new SecretFiles();
  }

  /** The secret in a file that must be there. Throws ConfigError, naming `name`, path and remedy. */
  read(name: string, path: string): string {
    checkPrivate(name, path);
    const text = readText(name, path);
    if (this.vault && !isSealed(text) && this.#isInside(path)) {
      throw new ConfigError(
        name,
        path,
        'lies in clear, although the data directory has a passphrase: run `passphrase` again (of `hostward`, or of ' +
          '`hostward-control-plane`), which seals what is its own there, or keep what is yours elsewhere',
      );
    }
    return this.#opened(name, path, text);
  }

  /** As `read`; undefined where there is no such file. */
  readIfThere(path: string): string | undefined {
    return existsSync(path) ? this.read('secret file', path) : undefined;
  }

  /** As `read`, of a file that may be another program's too, and therefore in clear. */
  readAny(path: string): string {
    return this.#opened('secret file', path, readText('secret file', path));
  }

  /** Replaces the file. */
  write(path: string, text: string): void {
    writePrivate(path, this.vault ? this.vault.seal(basename(path), text) : text);
  }

  #isInside(path: string): boolean {
    return !relative(this.folder, resolve(path)).startsWith('..');
  }

  #opened(name: string, path: string, text: string): string {
    if (!isSealed(text)) return text;
    if (!this.vault) {
      throw new ConfigError(
        name,
        path,
        `is encrypted, and the ${VAULT_FILE} that belongs to it is missing beside the root document: restore it from a backup`,
      );
    }
    try {
      return this.vault.open(basename(path), text);
    } catch (cause) {
      throw new ConfigError(
        name,
        path,
        'is not what this control plane has sealed: restore it from a backup',
        { cause },
      );
    }
  }
}

/** Opens the vault in the file `path`. Throws ConfigError. */
export function unlock(path: string, passphrase: Passphrase | undefined): Vault {
  if (passphrase === undefined) {
    throw new ConfigError(
      PASSPHRASE,
      'missing',
      `must be given, since the keys are encrypted (${path}): ${HOW_GIVEN}`,
    );
  }
  try {
    return Vault.unlock(readIfThere(path) ?? '', passphrase.text);
  } catch (cause) {
    throw new ConfigError(
      PASSPHRASE,
      passphrase.file,
      `does not open ${path}: it must hold the passphrase that was set last`,
      { cause },
    );
  }
}
