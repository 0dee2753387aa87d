export type CertificateRefusal =
  'malformed' | 'no-proof-of-possession' | 'weak-key' | 'not-issued-by-authority' | 'not-valid-now';

/** A certificate or a request from elsewhere was refused; `code` is what a caller can act on. */
export class CertificateRefusedError extends Error {
  override readonly name = 'CertificateRefusedError';

  constructor(
    readonly code: CertificateRefusal,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A certificate or a key cannot be those of an authority: which of the two, the rule it breaks, and what to do. */
export class AuthorityRefusedError extends Error {
  override readonly name = 'AuthorityRefusedError';

  constructor(
    readonly part: 'certificate' | 'key',
    readonly rule: string,
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(`${part} of the authority: ${rule}; remedy: ${remedy}`, options);
  }
}
