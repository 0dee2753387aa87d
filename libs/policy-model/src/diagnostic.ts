/**
 * What the validators say about a document. A diagnostic is data, so that the CLI prints it, the REST API puts it into
 * a problem document, and tests compare it; the sentence a person reads is made by `formatDiagnostic` only.
 */
export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  readonly file?: string;
  /** From 1; absent where the document came without its text. */
  readonly line?: number;
  readonly column?: number;
  /** Index of the document in its text, from 0. */
  readonly document: number;
  /** `spec.process.matchPaths[1].path`; empty for the document as a whole. */
  readonly path: string;
  /** The offending value, printable and cut to 80 characters; empty where there is none. */
  readonly value: string;
  /** Stable code such as `unknown-field`; the list is in docs of rule-codes.ts. */
  readonly rule: string;
  readonly message: string;
  readonly remedy: string;
}
