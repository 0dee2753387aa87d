import type { Signer, TrustedRoot } from '#bundle';
import type { KeyAndCertificate } from '#pki';

/** What the control plane signs and seals with; read from files at start, nowhere else. */
export class Trust {
  constructor(
    readonly root: TrustedRoot,
    readonly online: Signer,
    /** 32 bytes: data keys of bundles are derived from it. */
    readonly epochSecret: Buffer,
    readonly authority: KeyAndCertificate,
  ) {}
}
