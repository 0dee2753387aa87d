import {
  type Author,
  type SignedDocument,
  type Signer,
  type TrustedRoot,
  followRoots,
  inspectRoot,
  limits,
} from '#bundle';
import type { KeyEncryptionKeys } from '../records/key-encryption-keys.js';

/** Where root documents that came after the first are kept; etcd may be restored to a time before them. */
export interface RootFile {
  /** Oldest first; nothing of it is believed yet. */
  readonly load: () => readonly unknown[];
  readonly keep: (roots: readonly SignedDocument[]) => void;
}

/** Symmetric keys of the control plane: all replicas share them, nobody else has them. */
export interface TrustSecrets {
  /** 32 bytes: data keys of bundles are derived from it. */
  readonly epochSecret: Buffer;
  /** Under them channel keys lie in etcd. */
  readonly keks: KeyEncryptionKeys;
}

const NOWHERE: RootFile = { load: () => [], keep: () => undefined };

/** Whom this control plane believes, and what it signs and seals with. The root document moves on, the rest stays. */
export class Trust {
  #chain: readonly TrustedRoot[];

  constructor(
    first: TrustedRoot,
    readonly online: Signer,
    private readonly secrets: TrustSecrets,
    private readonly file: RootFile = NOWHERE,
  ) {
    this.#chain = [first];
    for (const signed of file.load()) this.follow(signed);
  }

  get epochSecret(): Buffer {
    return this.secrets.epochSecret;
  }

  get keks(): KeyEncryptionKeys {
    return this.secrets.keks;
  }

  /** The root document in force. */
  get root(): TrustedRoot {
    const newest = this.#chain.at(-1);
    if (!newest) throw new RangeError('there is no root document');
    return newest;
  }

  /** All root documents, oldest first. */
  get roots(): readonly SignedDocument[] {
    return this.#chain.map(({ signed }) => signed);
  }

  /** Those that a host may have missed, as many as a record may carry beside the one in force. */
  get earlierRoots(): readonly SignedDocument[] {
    return this.roots.slice(0, -1).slice(-(limits.rootsPerRecord - 1));
  }

  /** Whether policies, groups and labels count only as their authors signed them. */
  get authored(): boolean {
    return this.root.document.mode === 'authored';
  }

  get authors(): readonly Author[] {
    return this.root.document.authors;
  }

  /** Whether the root document in force lets our own key sign. */
  get maySign(): boolean {
    return this.root.document.online.some(({ keyid }) => keyid === this.online.keyid);
  }

  /**
   * Takes the next root document, which is in force from then on; to be followed by `keep`. False where it is not
   * newer. Throws RefusedError where it does not follow.
   */
  follow(signed: unknown): boolean {
    if (inspectRoot(signed).document.version <= this.root.document.version) return false;
    this.#chain = [...this.#chain, followRoots(this.root, [signed])];
    return true;
  }

  /** Keeps all root documents over restarts. Throws what the file throws; to be tried again then. */
  keep(): void {
    this.file.keep(this.roots);
  }
}
