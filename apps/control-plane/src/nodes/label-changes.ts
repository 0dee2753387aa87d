import { visibilityFault } from '#policy-model';
import { invalidField } from '../http/index.js';

const PART = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;
const MAX_LABELS = 256;

type Labels = Readonly<Record<string, string>>;

/** `labels` after the changes: a string sets, null removes. Throws 400 for what is no label. */
export function changedLabels(labels: Labels, changes: Readonly<Record<string, unknown>>): Labels {
  const result = new Map(Object.entries(labels));
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) result.delete(key);
    else result.set(checkedKey(key), checkedValue(key, value));
  }
  if (result.size > MAX_LABELS) {
    throw invalidField('labels', result.size, `are more than ${MAX_LABELS}`, 'remove some');
  }
  return Object.fromEntries(result);
}

/** As `changedLabels`, where nothing may be removed. */
export function checkedLabels(labels: Readonly<Record<string, unknown>>): Labels {
  for (const [key, value] of Object.entries(labels)) checkedValue(key, value);
  return changedLabels({}, labels);
}

function checkedKey(key: string): string {
  const slash = key.indexOf('/');
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (PART.test(name) && (prefix === undefined || PREFIX.test(prefix))) return key;
  throw invalidField(
    'labels',
    key,
    'is no label key',
    'use letters, digits, "-", "_", ".", with a DNS prefix or none',
  );
}

function checkedValue(key: string, value: unknown): string {
  const sound = typeof value === 'string' && (value === '' || PART.test(value));
  const fault = sound ? visibilityFault(key, value) : undefined;
  if (sound && fault === undefined) return value;
  throw invalidField(
    `labels.${key.slice(0, 100)}`,
    value,
    'is no label value',
    fault ?? 'use at most 63 letters, digits, "-", "_" and "."',
  );
}
