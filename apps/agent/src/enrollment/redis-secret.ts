import { createHash, randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { writeFileAtomic, type FilePermissions } from '../config/atomic-file.js';
import type { HostFiles } from '../config/host-files.js';
import { keyOfFile, readIfThere } from '../trust/key-file.js';

/** SHA-256 of a secret, hex: all that anybody but this host ever gets of it. */
export function secretHash(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** A new secret: 32 random bytes. */
export function makeSecret(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * The secret by which this host logs in to Redis. It is changed in three steps, so that no crash and no lost answer
 * leaves the host with one that nobody knows: the next one is written, told to the control plane, which then takes
 * both for a time, and only then used.
 */
export class RedisSecret {
  #current: string;

  constructor(
    private readonly files: Pick<HostFiles, 'redisSecret' | 'redisSecretNext'>,
    current: string,
  ) {
    this.#current = current;
  }

  /** Reads it; undefined where there is none. */
  static async read(
    files: Pick<HostFiles, 'redisSecret' | 'redisSecretNext'>,
  ): Promise<RedisSecret | undefined> {
    const current = (await readIfThere(files.redisSecret))?.trim();
    return current === undefined || current === '' ? undefined : new RedisSecret(files, current);
  }

  get current(): string {
    return this.#current;
  }

  /** The next one where a change has begun. One that is in use already is a change that ended, but for its last step. */
  async next(): Promise<string | undefined> {
    const next = (await readIfThere(this.files.redisSecretNext))?.trim();
    if (next !== this.#current) return next;
    await rm(this.files.redisSecretNext, { force: true });
    return undefined;
  }

  /** Begins a change, or goes on with one that has begun. */
  begin(): Promise<string> {
    return keyOfFile(this.files.redisSecretNext, OWN_FILE, makeSecret);
  }

  /** Ends a change: the control plane has taken `next`. */
  async use(next: string): Promise<void> {
    await writeFileAtomic(this.files.redisSecret, `${next}\n`, OWN_FILE);
    this.#current = next;
    await rm(this.files.redisSecretNext, { force: true });
  }
}

const OWN_FILE: FilePermissions = { mode: 0o600 };
