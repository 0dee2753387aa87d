import type { Diagnostic } from './diagnostic.js';

/**
 * One line, or two where there is a remedy: `policy.yaml:7:12: error: spec.action: … [rule]` and the remedy, indented.
 */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { severity, path, message, rule, remedy } = diagnostic;
  const subject = path === '' ? '' : `${path}: `;
  const line = `${place(diagnostic)}${severity}: ${subject}${message} [${rule}]`;
  return remedy === '' ? line : `${line}\n    ${remedy}`;
}

function place({ file, line, column, document }: Diagnostic): string {
  if (line !== undefined && column !== undefined) return `${file ?? '<input>'}:${line}:${column}: `;
  return file === undefined ? `document ${document + 1}: ` : `${file}: `;
}
