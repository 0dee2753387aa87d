/** A text becomes values with their places. Everything that is wrong with the text itself is found here. */
import { type Document, LineCounter, parseAllDocuments, type YAMLError } from 'yaml';
import type { Finding, Path, Position } from './finding.js';
import { Findings, TooManyErrors } from './findings.js';
import { locate } from './locate.js';
import { fitsBound, IN_PARTS, MAX_DOCUMENTS, MAX_TEXT_BYTES, nestsTooDeep } from './text-bounds.js';
import { toValue } from './yaml-value.js';

/** A finding that knows its place by itself. */
export interface PlacedFinding {
  readonly finding: Finding;
  readonly position?: Position;
}

export interface ReadDocument {
  /** Undefined if the text of the document cannot be read. */
  readonly value: unknown;
  /** What could be read of it, only to name it in a message. */
  readonly partial: unknown;
  readonly findings: readonly PlacedFinding[];
  readonly locate: (path: Path) => Position | undefined;
}

export interface ReadText {
  readonly documents: readonly ReadDocument[];
  /** About the text as a whole; if there are any, there are no documents. */
  readonly findings: readonly PlacedFinding[];
}

/** Duplicate keys, integers and aliases are judged in yaml-value.ts, with bounds that the parser does not have. */
const YAML_OPTIONS = {
  intAsBigInt: true,
  logLevel: 'silent',
  merge: false,
  prettyErrors: false,
  schema: 'core',
  uniqueKeys: false,
  version: '1.2',
} as const;

const MAX_SYNTAX_ERRORS = 20;
const VERSION_REMEDY = 'remove the directive: YAML 1.2 is read';
const TOO_DEEP = [
  'too-deep',
  'the text nests too deep to be a document',
  'write it without nested brackets',
] as const;

/** Reads a multi-document text of YAML 1.2, or one of JSON. Never throws, whatever the text. */
export function readText(text: string, format: 'yaml' | 'json'): ReadText {
  const refusal = refuseText(text) ?? (format === 'json' ? refuseJson(text) : undefined);
  if (refusal !== undefined) return { documents: [], findings: [refusal] };
  const lines = new LineCounter();
  const composed = compose(text, lines);
  if (composed === undefined) return { documents: [], findings: [refuse(...TOO_DEEP)] };
  if (composed.length > MAX_DOCUMENTS) return { documents: [], findings: [tooMany()] };
  const documents = composed
    .filter((document) => document.contents !== null || document.errors.length > 0)
    .map((document) => readDocument(document, text, lines))
    .filter((document) => document.value !== null);
  return documents.length > 0 ? { documents, findings: [] } : { documents, findings: [nothing()] };
}

/** Undefined if the stack is exhausted, which callers with a deep stack of their own may see before we do. */
function compose(text: string, lines: LineCounter): readonly Document.Parsed[] | undefined {
  try {
    const documents = parseAllDocuments(text, { ...YAML_OPTIONS, lineCounter: lines });
    return Array.isArray(documents) ? documents : [];
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function refuse(
  rule: Finding['rule'],
  message: string,
  remedy: string,
  position?: Position,
): PlacedFinding {
  return { finding: { severity: 'error', path: [], rule, message, remedy }, position };
}

function nothing(): PlacedFinding {
  return refuse(
    'no-document',
    'there is no document in it',
    'give a file with at least one document',
  );
}

function tooMany(): PlacedFinding {
  const message = `there are more than ${MAX_DOCUMENTS} documents in it`;
  return refuse('text-too-large', message, IN_PARTS);
}

function refuseText(text: string): PlacedFinding | undefined {
  if (!fitsBound(text)) {
    return refuse('text-too-large', `the text is larger than ${MAX_TEXT_BYTES} bytes`, IN_PARTS);
  }
  if (nestsTooDeep(text)) {
    return refuse(...TOO_DEEP);
  }
  return undefined;
}

/** JSON is a subset of YAML 1.2, so one reader does for both; that it is JSON is asked of the JSON parser. */
function refuseJson(text: string): PlacedFinding | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : 'it is not JSON';
    const place = /\(line (\d+) column (\d+)\)/.exec(message);
    const position = place ? { line: Number(place[1]), column: Number(place[2]) } : undefined;
    return refuse('json-syntax', message, 'correct the syntax, or send it as YAML', position);
  }
}

function readDocument(document: Document.Parsed, text: string, lines: LineCounter): ReadDocument {
  const problems = [
    ...versionFindings(document, text, lines),
    ...[...document.errors, ...document.warnings]
      .slice(0, MAX_SYNTAX_ERRORS)
      .map((error) => syntaxFinding(error, lines)),
  ];
  if (problems.length === 0) return convert(document, lines);
  return { value: undefined, partial: undefined, findings: problems, locate: () => undefined };
}

function convert(document: Document.Parsed, lines: LineCounter): ReadDocument {
  const findings = new Findings();
  const converted = guarded(() => toValue(document, findings.report));
  const place = (path: Path): Position | undefined =>
    converted === undefined ? start(document, lines) : locate(path, converted, lines);
  return {
    value: findings.hasErrors ? undefined : converted?.value,
    partial: converted?.value,
    findings: findings.list().map((finding) => ({ finding, position: place(finding.path) })),
    locate: place,
  };
}

function guarded<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof TooManyErrors) return undefined;
    throw error;
  }
}

function start(document: Document.Parsed, lines: LineCounter): Position {
  return positionAt(document.contents?.range?.[0] ?? 0, lines);
}

function positionAt(offset: number, lines: LineCounter): Position {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

/** Codes that say more than "syntax"; the parser itself reports an exhausted stack as an error of the document. */
function syntaxFinding({ code, message, pos }: YAMLError, lines: LineCounter): PlacedFinding {
  const position = positionAt(pos[0], lines);
  if (code === 'TAG_RESOLVE_FAILED') return refuse('yaml-tag', message, 'remove the tag', position);
  if (message.startsWith('Unsupported YAML version')) {
    return refuse('yaml-version', message, VERSION_REMEDY, position);
  }
  if (message.startsWith('Maximum call stack')) return refuse(...TOO_DEEP, position);
  return refuse('yaml-syntax', message, 'correct the syntax at this place', position);
}

/** Another version reads the same text otherwise (`no` is false in 1.1), so it is refused instead of half obeyed. */
function versionFindings(
  document: Document.Parsed,
  text: string,
  lines: LineCounter,
): readonly PlacedFinding[] {
  const { explicit, version } = document.directives.yaml;
  if (!explicit || version === '1.2') return [];
  const offset = text.lastIndexOf('%YAML', document.contents?.range?.[0] ?? text.length);
  const position = positionAt(Math.max(offset, 0), lines);
  return [refuse('yaml-version', `%YAML ${version} is not taken`, VERSION_REMEDY, position)];
}
