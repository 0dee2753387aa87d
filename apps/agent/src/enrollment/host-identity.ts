import { chmod, chown, mkdir } from 'node:fs/promises';
import { generateSealingKey, generateSigningKey } from '#bundle';
import type { EnrollResponse } from '#contracts';
import { createCsr } from '#pki';
import { writeFileAtomic, type FilePermissions } from '../config/atomic-file.js';
import type { HostFiles } from '../config/host-files.js';
import type { HostSecrets } from './enroll-request.js';
import { keyOfFile, readIfThere } from '../trust/key-file.js';
import { makeSecret } from './redis-secret.js';

/** User and group that the agent will run as; absent where it runs as the one who enrols. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** The host's files with their permissions: `trust/` belongs to who enrols (root), `agent/` to the agent's user. */
export class HostIdentity {
  readonly #files: HostFiles;
  readonly #owner: Owner | undefined;

  constructor(files: HostFiles, owner: Owner | undefined) {
    this.#files = files;
    this.#owner = owner;
  }

  /** Makes the folders, and the keys where there are none. */
  async prepare(): Promise<HostSecrets> {
    const { trustDir, agentDir, signingKey, sealingKey, redisSecret } = this.#files;
    await mkdir(trustDir, { recursive: true, mode: 0o755 });
    await mkdir(agentDir, { recursive: true, mode: 0o700 });
    await chmod(agentDir, 0o700);
    if (this.#owner !== undefined) await chown(agentDir, this.#owner.uid, this.#owner.gid);
    return {
      signingKey: await keyOfFile(signingKey, this.#own(), () => generateSigningKey().privateKey),
      sealingKey: await keyOfFile(
        sealingKey,
        this.#shared(),
        () => generateSealingKey().privateKey,
      ),
      csr: await this.#requestOfTlsKey(),
      redisSecret: await keyOfFile(redisSecret, this.#own(), makeSecret),
    };
  }

  /** Keeps what the control plane answered; `node-id` last, since its presence says that the host is enrolled. */
  async keep(
    answer: EnrollResponse,
    { ca, pinned }: { readonly ca: string; readonly pinned: string },
  ): Promise<void> {
    const files = this.#files;
    const trusted: FilePermissions = { mode: 0o644 };
    await writeFileAtomic(files.ca, ca, this.#own());
    await writeFileAtomic(files.pinned, `${pinned}\n`, this.#own());
    await writeFileAtomic(files.certificate, answer.certificate, this.#own());
    await writeFileAtomic(files.redis, `${JSON.stringify(answer.redis)}\n`, this.#own());
    await writeFileAtomic(files.name, `${answer.name}\n`, this.#own());
    await writeFileAtomic(files.root, `${JSON.stringify(answer.root)}\n`, trusted);
    await writeFileAtomic(files.nodeId, `${answer.nodeId}\n`, trusted);
  }

  /** The request is written after its key: where it is there, so is the key. */
  async #requestOfTlsKey(): Promise<string> {
    const known = await readIfThere(this.#files.csr);
    if (known !== undefined) return known;
    const { csrPem, privateKeyPem } = await createCsr();
    await writeFileAtomic(this.#files.tlsKey, privateKeyPem, this.#own());
    await writeFileAtomic(this.#files.csr, csrPem, this.#own());
    return csrPem;
  }

  #own(): FilePermissions {
    return this.#owner === undefined ? { mode: 0o600 } : { mode: 0o600, owner: this.#owner };
  }

  /** The compiler reads it as a credential from root, the agent by its group; neither can change it. */
  #shared(): FilePermissions {
    return this.#owner === undefined
      ? { mode: 0o600 }
      : { mode: 0o640, owner: { uid: 0, gid: this.#owner.gid } };
  }
}
