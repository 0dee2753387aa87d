/** Why a document, a record or a sealed message was refused; kebab-case, stable, shown to operators. */
export type RefusalCode =
  | 'malformed'
  | 'too-large'
  | 'unsupported-version'
  | 'unknown-key'
  | 'bad-signature'
  | 'bad-proof'
  | 'bad-seal'
  | 'not-for-this-node'
  | 'stale-order'
  | 'equivocation'
  | 'expired'
  | 'not-yet-valid'
  | 'root-expired'
  | 'root-rollback'
  | 'root-mismatch'
  | 'bundle-digest-mismatch'
  | 'document-rollback'
  | 'withheld'
  | 'out-of-scope'
  | 'unsigned-suspension'
  | 'unsigned-visibility'
  | 'policy-invalid';

/** Bytes from elsewhere were refused; `code` is what a caller can act on, the message never holds content of them. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';

  constructor(
    readonly code: RefusalCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Shorthand for the parsers: always throws `malformed`. */
export function malformed(path: string, rule: string): never {
  throw new RefusedError('malformed', `${path}: ${rule}`);
}
