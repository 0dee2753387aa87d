import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { env } from 'node:process';
import { ConfigError } from './config-error.js';
import { checkPrivate, readText } from './private.js';

const CREDENTIAL = 'hostward-passphrase';
const MAX_CHARS = 1024;
/** Of a passphrase that is set; one that was set before is taken as it is. */
const MIN_CHARS = 12;

/** A passphrase, and where it came from. */
export interface Passphrase {
  readonly text: string;
  readonly file: string;
}

/**
 * Reads the passphrase from `file`, or else from the credential `hostward-passphrase` that systemd has put there for
 * this process (LoadCredential=). Undefined where there is neither. Throws ConfigError.
 */
export function findPassphrase(file: string | undefined): Passphrase | undefined {
  return file === undefined ? passphraseOfSystemd() : readPassphrase(file);
}

function passphraseOfSystemd(): Passphrase | undefined {
  const folder = env['CREDENTIALS_DIRECTORY'];
  if (folder === undefined) return undefined;
  const credential = join(folder, CREDENTIAL);
  // Who may read it is systemd's to say: by an ACL, so its mode looks wider than it is.
  return existsSync(credential) ? passphraseIn(credential) : undefined;
}

/** Reads a passphrase's file: its text without the end of the line. Throws ConfigError. */
function readPassphrase(file: string): Passphrase {
  const folder = env['CREDENTIALS_DIRECTORY'];
  if (folder === undefined || !file.startsWith(join(folder, '/'))) checkPrivate('passphrase', file);
  return passphraseIn(file);
}

/** Refuses what is guessed too soon. Throws ConfigError. */
export function checkNewPassphrase({ text, file }: Passphrase): void {
  if (text.length >= MIN_CHARS) return;
  throw new ConfigError('passphrase', file, `must have at least ${MIN_CHARS} characters`);
}

function passphraseIn(file: string): Passphrase {
  return passphraseOf(readText('passphrase', file), file);
}

/** A passphrase as it was read: without the end of its line. Throws ConfigError, naming `file`. */
export function passphraseOf(read: string, file: string): Passphrase {
  const text = read.replace(/\r?\n$/, '');
  if (text !== '' && text.length <= MAX_CHARS) return { text, file };
  throw new ConfigError('passphrase', file, `must hold 1 to ${MAX_CHARS} characters`);
}
