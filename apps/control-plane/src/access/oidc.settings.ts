import type { OidcConfig } from '../config/oidc.js';

/** The identity provider that the configuration names, if any; `ca` in PEM, where it has one of its own. */
export class OidcSettings {
  #config: OidcConfig | undefined;
  #ca: string | undefined;

  constructor(config?: OidcConfig, ca?: string) {
    this.replace(config, ca);
  }

  get config(): OidcConfig | undefined {
    return this.#config;
  }

  get ca(): string | undefined {
    return this.#ca;
  }

  /** Takes another configuration: sessions that it maps to nothing count for nothing at once. */
  replace(config: OidcConfig | undefined, ca: string | undefined): void {
    this.#config = config;
    this.#ca = ca;
  }
}
