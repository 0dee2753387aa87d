import type { Diagnostic } from './diagnostic.js';
import type { RuleCode } from './rule-codes.js';

/** Steps from the document's root to a value. */
export type Path = readonly (string | number)[];

/** A diagnostic before it knows its file, line and document. */
export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly path: Path;
  readonly value?: unknown;
  readonly rule: RuleCode;
  readonly message: string;
  readonly remedy: string;
}

/** Where validators put what they find. */
export type Report = (finding: Finding) => void;

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A finding with its place in the text. */
export function toDiagnostic(
  finding: Finding,
  where: { readonly document: number; readonly file?: string; readonly position?: Position },
): Diagnostic {
  const { severity, rule, message, remedy } = finding;
  return {
    severity,
    file: where.file,
    line: where.position?.line,
    column: where.position?.column,
    document: where.document,
    path: formatPath(finding.path),
    value: finding.value === undefined ? '' : printable(finding.value),
    rule,
    message: oneLine(cut(message, MAX_SENTENCE)),
    remedy: oneLine(cut(remedy, MAX_SENTENCE)),
  };
}

/** `spec.process.matchPaths[1].path`; keys that are not plain words are quoted in brackets. */
function formatPath(path: Path): string {
  return path
    .map((step) => {
      if (typeof step === 'number') return `[${step}]`;
      return /^[A-Za-z_]\w*$/.test(step) ? `.${step}` : `[${printable(step)}]`;
    })
    .join('')
    .replace(/^\./, '');
}

const MAX_VALUE = 80;
const MAX_SENTENCE = 400;

function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** The value as JSON without characters that a terminal would act on, cut to 80 characters. */
function printable(value: unknown): string {
  return cut(oneLine(shown(value)), MAX_VALUE);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, MAX_VALUE + 1));
  return typeof value === 'object' && value !== null ? outline(value) : String(value);
}

/** Lists and objects are shown by their keys only: their content may be huge. */
function outline(value: object): string {
  if (Array.isArray(value)) return `[list of ${value.length}]`;
  return `{${Object.keys(value).slice(0, 5).join(', ')}}`;
}

const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The text with its unseen characters spelled out. */
function oneLine(text: string): string {
  return text.replaceAll(
    UNSEEN,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
