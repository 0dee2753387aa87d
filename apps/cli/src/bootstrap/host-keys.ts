import { createHash } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makePrivateFolder } from '#files';
import { CommandFailed, UsageError } from '../output/errors.js';
import { HostFailure } from './failure.js';
import { knownHostName, knownKeys, type KnownKey } from './ssh-known-hosts.js';

/** Asks a person whether a key of which nobody knows is the host's; rejects when the signal aborts. */
export type Confirm = (question: string, signal: AbortSignal) => Promise<boolean>;

export interface HostKeysOptions {
  /** known_hosts files; one that is not there names nobody. What is confirmed goes into the first. */
  readonly files: readonly string[];
  /** `SHA256:...` of keys that are taken for any host of this run. */
  readonly fingerprints: readonly string[];
  /** Absent where nobody can be asked: an unknown key is refused then. */
  readonly confirm?: Confirm;
}

/** ssh's names of signatures with a key's type: an RSA key signs under newer names than its own. */
const SIGNATURES: Readonly<Record<string, readonly string[]>> = {
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/** Decides whether a host is the one that was meant, by its key; never lets a key pass unseen. */
export class HostKeys {
  #asking: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly options: HostKeysOptions,
    private texts: readonly string[],
  ) {}

  static async read(options: HostKeysOptions): Promise<HostKeys> {
    for (const each of options.fingerprints)
      if (!/^SHA256:[A-Za-z0-9+/]{43}$/.test(each))
        throw new UsageError(
          `--host-key-fingerprint "${each}" is none: write SHA256:... as \`ssh-keygen -lf\` shows it`,
        );
    return new HostKeys(options, await Promise.all(options.files.map(readIfThere)));
  }

  /** Names of the signatures by which the host can prove a key that is known; empty where none is. */
  algorithmsOf(host: string, port: number): string[] {
    const known = this.#known(host, port).filter(({ revoked }) => !revoked);
    const types = known.map(({ type }) => type);
    return [...new Set(types.flatMap((type) => SIGNATURES[type] ?? [type]))];
  }

  /** Throws HostFailure unless the blob is the key of this host. */
  async check(host: string, port: number, blob: Buffer, signal: AbortSignal): Promise<void> {
    const shown = fingerprintOf(blob);
    const name = knownHostName(host, port);
    const known = this.#known(host, port);
    const same = known.filter(({ key }) => key === blob.toString('base64'));
    if (same.some(({ revoked }) => revoked))
      throw new HostFailure(
        'host-key-changed',
        `the key ${shown} of ${name} is revoked in known_hosts`,
      );
    if (same.length > 0 || this.options.fingerprints.includes(shown)) return;
    if (known.some(({ revoked }) => !revoked))
      throw new HostFailure(
        'host-key-changed',
        `${name} shows the key ${shown}, which is not the known one`,
      );
    if (await this.#confirmed(name, shown, signal)) return this.#remember(name, blob);
    throw new HostFailure('host-key-unknown', `nobody knows the key ${shown} of ${name}`);
  }

  #known(host: string, port: number): KnownKey[] {
    return this.texts.flatMap((text) => knownKeys(text, host, port));
  }

  /** One question at a time. */
  #confirmed(name: string, shown: string, signal: AbortSignal): Promise<boolean> {
    const { confirm } = this.options;
    if (confirm === undefined) return Promise.resolve(false);
    const answer = this.#asking.then(() =>
      confirm(
        `The host key of ${name} is ${shown}, and is not known. Is it right, and to be kept? [y/N] `,
        signal,
      ),
    );
    this.#asking = answer.catch(() => false);
    return answer;
  }

  async #remember(name: string, blob: Buffer): Promise<void> {
    const line = `${name} ${typeOf(blob)} ${blob.toString('base64')}\n`;
    this.texts = [...this.texts, line];
    const [file] = this.options.files;
    if (file === undefined) return;
    makePrivateFolder(dirname(file));
    const text = await readIfThere(file);
    const isWhole = text === '' || text.endsWith('\n');
    await appendFile(file, isWhole ? line : `\n${line}`, { mode: 0o600 });
  }
}

/** As OpenSSH shows it. */
function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** A blob begins with its type, behind the type's length. */
function typeOf(blob: Buffer): string {
  return blob.subarray(4, 4 + blob.readUInt32BE(0)).toString('latin1');
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new CommandFailed(`cannot read ${file}: ${String(cause)}`, undefined, { cause });
  }
}
