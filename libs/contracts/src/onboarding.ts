import type { HostEnforcer } from './host-steps.js';

/** An item of `GET /v1/packages`: a file that hosts may fetch, as the signed SHA256SUMS names it. */
export interface PackageView {
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** `GET /v1/packages`. `releaseKey` is the Ed25519 key (SPKI, PEM) under which SHA256SUMS is signed; absent without packages. */
export interface PackagesView {
  readonly items: readonly PackageView[];
  readonly releaseKey?: string;
}

export const INSTALL_SCRIPT_FORMATS = ['sh', 'cloud-init'] as const;
export type InstallScriptFormat = (typeof INSTALL_SCRIPT_FORMATS)[number];

/**
 * Body of `POST /v1/nodes/{name}/install-script`. The answer is text, `text/x-shellscript` or `text/cloud-config`, and
 * holds a join token of one use.
 */
export interface InstallScriptRequest {
  readonly format?: InstallScriptFormat;
  /** How the host reaches the control plane; absent: as the caller does. */
  readonly url?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly enforcer?: HostEnforcer;
  readonly ttlMs?: number;
}
