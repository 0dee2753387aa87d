import { checkDocument } from './check-document.js';
import { toDiagnostic } from './finding.js';
import type { ParsedDocument, ParseOptions } from './parse-options.js';

/** Validates a value that came without its text, out of etcd, a bundle or a request; its diagnostics have no lines. */
export function validateDocument(
  value: unknown,
  options: Omit<ParseOptions, 'format'> = {},
): ParsedDocument {
  const { kind, name, document, findings } = checkDocument(value, options);
  const diagnostics = findings.map((finding) =>
    toDiagnostic(finding, { document: 0, file: options.file }),
  );
  return { index: 0, kind, name, document, diagnostics };
}
