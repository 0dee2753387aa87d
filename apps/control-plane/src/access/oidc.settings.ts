import type { OidcConfig } from '../config/oidc.js';

/** The identity provider that the configuration names, if any; `ca` in PEM, where it has one of its own. */
export class OidcSettings {
  constructor(
    readonly config?: OidcConfig,
    readonly ca?: string,
  ) {}
}
