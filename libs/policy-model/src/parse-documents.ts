/**
 * The front door for everything an operator writes: text in, documents and diagnostics out. Nothing here throws; what
 * cannot be taken is a diagnostic with its place, and a document with an error among its diagnostics is absent.
 */
import { checkDocument, headOf } from './check-document.js';
import type { Diagnostic } from './diagnostic.js';
import { type Finding, type Position, toDiagnostic } from './finding.js';
import type { ParsedDocument, ParsedText, ParseOptions } from './parse-options.js';
import { type ReadDocument, readText } from './read-text.js';

/** Parses and validates a text of one or more documents. */
export function parseDocuments(text: string, options: ParseOptions = {}): ParsedText {
  const read = readText(text, options.format ?? 'yaml');
  const ofText = read.findings.map(({ finding, position }) =>
    toDiagnostic(finding, { document: 0, file: options.file, position }),
  );
  const seen = new Map<string, Position | undefined>();
  const documents = read.documents.map((document, index) =>
    parseOne(document, index, options, seen),
  );
  return {
    documents,
    diagnostics: [...ofText, ...documents.flatMap(({ diagnostics }) => diagnostics)],
  };
}

function parseOne(
  read: ReadDocument,
  index: number,
  options: ParseOptions,
  seen: Map<string, Position | undefined>,
): ParsedDocument {
  const diagnose = (finding: Finding, position?: Position): Diagnostic =>
    toDiagnostic(finding, { document: index, file: options.file, position });
  const ofText = read.findings.map(({ finding, position }) => diagnose(finding, position));
  if (read.value === undefined) return { index, ...headOf(read.partial), diagnostics: ofText };
  const { kind, name, document, findings } = checkDocument(read.value, options);
  const again = repeated(kind, name, read.locate(['metadata', 'name']), seen);
  const all = again === undefined ? findings : [...findings, again];
  const diagnostics = [
    ...ofText,
    ...all.map((finding) => diagnose(finding, read.locate(finding.path))),
  ];
  return {
    index,
    kind,
    name,
    document: again === undefined ? document : undefined,
    diagnostics: diagnostics.sort(byPlace),
  };
}

/** Two documents of one name in one text: which one is meant is not clear, and the last one must not win in silence. */
function repeated(
  kind: string,
  name: string,
  position: Position | undefined,
  seen: Map<string, Position | undefined>,
): Finding | undefined {
  const key = `${kind} ${name}`;
  if (name === '' || !seen.has(key)) {
    seen.set(key, position);
    return undefined;
  }
  const line = seen.get(key)?.line;
  const message = `${kind} ${name} stands in the text already${line === undefined ? '' : `, at line ${line}`}`;
  const remedy = 'give each its own name, or remove one';
  return {
    severity: 'error',
    path: ['metadata', 'name'],
    value: name,
    rule: 'duplicate-document',
    message,
    remedy,
  };
}

function byPlace(a: Diagnostic, b: Diagnostic): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
