import { X509Certificate, createHash, createPrivateKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Log } from '#observability';
import type { TlsFiles } from '../config/index.js';
import { readIfThere } from '../config/private-file.js';
import type { SecretFiles } from '../config/secret-files.js';

/** A certificate chain, its key, and whom to trust, PEM. */
export interface Pair {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Where a certificate is used, and how a new one is taken in there; it may throw, and is then tried again. */
export interface CertificateUse {
  readonly name: string;
  readonly files: Required<TlsFiles>;
  /** Files that it depends on beside those; each may be missing. */
  readonly beside?: readonly string[];
  readonly take: (pair: Pair) => Promise<void> | void;
}

/**
 * Takes certificates in that were issued anew while we run: looks at the files at intervals, since a watch on files
 * that are replaced by rename loses them. A pair that does not match (it is being written) waits for the next look.
 */
export class CertificateWatch {
  readonly #taken = new Map<CertificateUse, string>();
  readonly #timer: NodeJS.Timeout;
  #looking: Promise<void> | undefined;

  constructor(
    private readonly uses: readonly CertificateUse[],
    private readonly secrets: SecretFiles,
    private readonly log: Log,
    everyMs: number,
  ) {
    this.#timer = setInterval(() => void this.look(), everyMs);
    void this.look();
  }

  /** Takes in what has changed; also what is there at the first look. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#lookAtAll().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  /** As `look`, and sees what is there now: a look that has begun may have read files that were replaced since. */
  async lookAnew(): Promise<void> {
    await this.#looking;
    await this.look();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #lookAtAll(): Promise<void> {
    for (const use of this.uses) {
      try {
        await this.#lookAt(use);
      } catch (error) {
        this.log.warn('a certificate was not taken in, trying again', { use: use.name, error });
      }
    }
  }

  async #lookAt(use: CertificateUse): Promise<void> {
    const pair = {
      ca: await readFile(use.files.ca),
      cert: await readFile(use.files.cert),
      key: Buffer.from(this.secrets.readAny(use.files.key)),
    };
    const hash = createHash('sha256').update(pair.ca).update(pair.cert).update(pair.key);
    for (const path of use.beside ?? []) hash.update(`\0${readIfThere(path) ?? ''}`);
    const digest = hash.digest('hex');
    if (this.#taken.get(use) === digest) return;
    const certificate = new X509Certificate(pair.cert);
    if (!certificate.checkPrivateKey(createPrivateKey(pair.key)))
      throw new Error(`${use.files.key} is not the key of ${use.files.cert}`);
    await use.take(pair);
    this.#taken.set(use, digest);
    this.log.info('certificate taken in', { use: use.name, until: certificate.validTo });
  }
}
