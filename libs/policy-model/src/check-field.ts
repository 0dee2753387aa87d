/**
 * Reads a value by the schema: returns it as the document will have it, and reports what is wrong. In `crd` mode every
 * deviation is an error; in `lenient` mode a deviation whose meaning is clear is corrected with a warning. A value that
 * comes back undefined is as if it had not been written.
 */
import { closest } from './closest.js';
import type { Path, Report } from './finding.js';
import type { Mode } from './parse-options.js';
import type { RuleCode } from './rule-codes.js';
import type { Field, IntegerField, ObjectField } from './schema.js';
import type { TextRule } from './text-rules.js';

export interface Place {
  readonly path: Path;
  readonly mode: Mode;
  readonly report: Report;
}

/** Whether the value is an object with keys: neither a list nor null. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads one field. */
export function checkField(field: Field, value: unknown, at: Place): unknown {
  switch (field.type) {
    case 'object':
      return checkObject(field, value, at);
    case 'array':
      return checkList(field, value, at);
    case 'text':
      return checkText(field.text, value, at);
    case 'integer':
      return checkInteger(field, value, at);
    case 'boolean':
      return checkBoolean(value, at);
    case 'map':
      return checkMap(value, at);
    case 'lenient-only':
      if (at.mode === 'lenient') return checkField(field.field, value, at);
      return fail(at, value, 'unknown-field', "KubeArmor's CRD has no such field", field.instead);
    case 'ignored':
      return ignore(value, at);
  }
}

function fail(
  at: Place,
  value: unknown,
  rule: RuleCode,
  message: string,
  remedy: string,
): undefined {
  at.report({ severity: 'error', path: at.path, value, rule, message, remedy });
}

function warn(at: Place, value: unknown, rule: RuleCode, message: string, remedy: string): void {
  at.report({ severity: 'warning', path: at.path, value, rule, message, remedy });
}

function under(at: Place, step: string | number): Place {
  return { ...at, path: [...at.path, step] };
}

function wrongType(at: Place, value: unknown, expected: string): undefined {
  const found = value === null ? 'null' : Array.isArray(value) ? 'a list' : `a ${typeof value}`;
  return fail(
    at,
    value,
    'wrong-type',
    `${expected} is expected, not ${found}`,
    `write ${expected}`,
  );
}

function checkObject(field: ObjectField, value: unknown, at: Place): unknown {
  if (!isRecord(value)) return wrongType(at, value, 'a map of fields');
  const found = new Map<string, unknown>();
  for (const [written, content] of Object.entries(value)) {
    if (content === undefined) continue;
    const key = fieldName(field, written, value, at);
    if (dropNull(content, under(at, written))) continue;
    const inner = key === undefined ? undefined : field.fields[key];
    if (key === undefined || inner === undefined) continue;
    found.set(key, checkField(inner, content, under(at, written)));
  }
  for (const name of field.required ?? []) if (!found.has(name)) missing(field, name, at);
  return Object.fromEntries([...found].filter(([, content]) => content !== undefined));
}

/** Kubernetes drops fields that are null before it validates; so does this, and says so. */
function dropNull(value: unknown, at: Place): boolean {
  if (value === undefined) return true;
  if (value !== null) return false;
  if (at.path.at(-1) !== 'creationTimestamp') {
    warn(
      at,
      value,
      'null-field',
      'it has no value and is left out',
      'give it a value or remove it',
    );
  }
  return true;
}

function missing(field: ObjectField, name: string, at: Place): void {
  if (at.mode === 'lenient' && field.optionalIfLenient?.includes(name)) {
    const message = `${name} is missing: the rule holds for every program`;
    return warn(
      at,
      undefined,
      'missing-source',
      message,
      `KubeArmor's CRD requires ${name}; add it for Kubernetes`,
    );
  }
  fail(at, undefined, 'required-field', `${name} is required`, `add ${name}`);
}

/** The schema's name for a key as written; undefined, and reported, if there is none. */
function fieldName(
  field: ObjectField,
  written: string,
  siblings: Readonly<Record<string, unknown>>,
  at: Place,
): string | undefined {
  const known = Object.keys(field.fields);
  if (known.includes(written)) return written;
  const meant =
    known.find((name) => name.toLowerCase() === written.toLowerCase()) ?? alias(field, written);
  if (at.mode === 'lenient' && meant !== undefined && !Object.hasOwn(siblings, meant)) {
    warn(
      under(at, written),
      undefined,
      'corrected-field',
      `it is read as ${meant}`,
      `write ${meant}`,
    );
    return meant;
  }
  const suggestion = meant ?? closest(written, known);
  const remedy =
    suggestion === undefined ? `known here: ${known.join(', ')}` : `did you mean ${suggestion}?`;
  return fail(
    under(at, written),
    siblings[written],
    'unknown-field',
    'there is no such field',
    remedy,
  );
}

function alias(field: ObjectField, written: string): string | undefined {
  const aliases = field.aliases ?? {};
  return Object.hasOwn(aliases, written) ? aliases[written] : undefined;
}

function checkList(
  field: { readonly items: Field; readonly maxItems?: number },
  value: unknown,
  at: Place,
): unknown {
  if (!Array.isArray(value)) return wrapped(field.items, value, at);
  const { maxItems } = field;
  if (maxItems !== undefined && value.length > maxItems) {
    fail(
      at,
      value,
      'too-many-items',
      `${value.length} entries; ${maxItems} are allowed`,
      'use several rules',
    );
  }
  return value
    .map((item: unknown, index) => checkField(field.items, item, under(at, index)))
    .filter((item) => item !== undefined);
}

/** One item where a list is expected means the list of that item. */
function wrapped(items: Field, value: unknown, at: Place): unknown {
  const fits = items.type === 'object' ? isRecord(value) : typeof value === 'string';
  if (at.mode === 'crd' || !fits) return wrongType(at, value, 'a list');
  warn(
    at,
    value,
    'corrected-type',
    'it is read as a list of one',
    'write it as a list, with a dash',
  );
  const item = checkField(items, value, at);
  return item === undefined ? undefined : [item];
}

function checkText(rule: TextRule, value: unknown, at: Place): string | undefined {
  const text = asText(value, at);
  if (text === undefined) return undefined;
  const { maxLength = Infinity } = rule;
  if (rule.accepts(text)) return checkLength(text, maxLength, at);
  const correction = at.mode === 'lenient' ? rule.correct?.(text) : undefined;
  if (correction === undefined)
    return fail(at, text, rule.rule, `${rule.expects} is expected`, rule.remedy);
  warn(at, text, correction.rule, correction.message, correction.remedy ?? rule.remedy);
  return correction.value;
}

function checkLength(text: string, maxLength: number, at: Place): string | undefined {
  if (text.length <= maxLength || [...text].length <= maxLength) return text;
  const message = `KubeArmor's CRD allows ${maxLength} characters`;
  if (at.mode === 'crd') return fail(at, text, 'too-long', message, 'use a shorter path');
  warn(at, text, 'long-path', message, 'Hostward takes it; Kubernetes would not');
  return text;
}

/** In the lenient mode a number or boolean stands for its text: YAML makes one of `vm: true` and `class: 8`. */
function asText(value: unknown, at: Place): string | undefined {
  if (typeof value === 'string') return value;
  const clear = typeof value === 'boolean' || Number.isSafeInteger(value);
  if (at.mode === 'crd' || !clear) return wrongType(at, value, 'text in quotes');
  warn(
    at,
    value,
    'corrected-type',
    `it is read as the text "${String(value)}"`,
    'put it in quotes',
  );
  return String(value);
}

function checkInteger(field: IntegerField, written: unknown, at: Place): number | undefined {
  const value = asInteger(written, at);
  if (value === undefined) return undefined;
  if (value === 0 && field.zeroIsUnset && at.mode === 'lenient') {
    warn(
      at,
      value,
      'unset-value',
      'severity 0 is none: it is inherited',
      'write 1 to 10 or remove it',
    );
    return undefined;
  }
  const { minimum, maximum } = field;
  if (value >= minimum && value <= maximum) return value;
  return fail(
    at,
    value,
    'out-of-range',
    `${minimum} to ${maximum} is allowed`,
    'write a number in that range',
  );
}

function asInteger(value: unknown, at: Place): number | undefined {
  if (typeof value === 'number' && Number.isInteger(value)) return value;
  const digits = typeof value === 'string' && /^\d{1,9}$/.test(value.trim());
  if (at.mode === 'crd' || !digits) return wrongType(at, value, 'a whole number');
  warn(
    at,
    value,
    'corrected-type',
    `it is read as the number ${Number(value)}`,
    'write it without quotes',
  );
  return Number(value);
}

function checkBoolean(value: unknown, at: Place): boolean | undefined {
  if (typeof value === 'boolean') return value;
  if (at.mode === 'crd' || (value !== 'true' && value !== 'false'))
    return wrongType(at, value, 'true or false');
  warn(at, value, 'corrected-type', `it is read as ${value}`, 'write it without quotes');
  return value === 'true';
}

function checkMap(value: unknown, at: Place): unknown {
  if (!isRecord(value)) return wrongType(at, value, 'a map of labels');
  const entries = Object.entries(value)
    .filter(([key, content]) => !dropNull(content, under(at, key)))
    .map(([key, content]) => [key, asText(content, under(at, key))] as const);
  return Object.fromEntries(entries.filter(([, content]) => content !== undefined));
}

function ignore(value: unknown, at: Place): undefined {
  if (isRecord(value) && Object.keys(value).length === 0) return undefined;
  return void warn(at, value, 'ignored-field', 'it is not kept', 'remove it');
}
