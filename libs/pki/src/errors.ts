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
