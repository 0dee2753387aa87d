import type { OidcConfig } from '../config/oidc.js';

/** What a value of the claim is worth. */
type OidcMapping = OidcConfig['roles'][number];

/** The first mapping whose value the claim has; undefined, which lets nobody in, where it has none. */
export function mappingOf(
  { roles, rolesClaim }: OidcConfig,
  claims: Readonly<Record<string, unknown>>,
): OidcMapping | undefined {
  const claim = Object.hasOwn(claims, rolesClaim) ? claims[rolesClaim] : undefined;
  const values: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  return roles.find(({ value }) => values.includes(value));
}

/** What a login is worth now that a value once let in: nothing where the mapping or the provider is gone. */
export function mappingNow(
  config: OidcConfig | undefined,
  { issuer, value }: { readonly issuer: string; readonly value: string },
): OidcMapping | undefined {
  if (config?.issuer !== issuer) return undefined;
  return config.roles.find((mapping) => mapping.value === value);
}
