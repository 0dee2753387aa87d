import { canonicalBytes, type AuditLogEntry } from '#bundle';
import {
  anything,
  count,
  instant,
  matching,
  oneOf,
  parseJson,
  record,
  text,
  version1,
} from '../http/shape.js';
import type { SignedEntry } from './audit-log.store.js';

const hex64 = matching(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits');
const entry = record<Omit<AuditLogEntry, 'detail'> & { readonly detail: unknown }>({
  v: version1,
  seq: count,
  time: instant,
  actor: text(300),
  source: text(100),
  action: text(300),
  object: text(600),
  revision: matching(/^[0-9]{1,20}$/, 'must be a revision'),
  outcome: oneOf(['done', 'refused']),
  detail: anything,
  prev: hex64,
  hash: hex64,
});

/** Throws ShapeError, and RefusedError where it has no canonical bytes: it has no hash then, and nothing can follow it. */
function decodeEntry(value: unknown): AuditLogEntry {
  const read = entry(value, 'audit log');
  const decoded = { ...read, detail: isDetail(read.detail) ? read.detail : {} };
  canonicalBytes(decoded);
  return decoded;
}

/** The entry in a text as the store and etcd's head hold it, or undefined where there is none: what cannot be read is a gap. */
export function readEntry(text: string): AuditLogEntry | undefined {
  try {
    return decodeEntry(parseJson(Buffer.from(text, 'utf8'), 'audit log'));
  } catch {
    return undefined;
  }
}

/** The signed entry in a row of a store; undefined where its body is not an entry of its number, and so a gap. */
export function readRow(row: Readonly<Record<string, unknown>>): SignedEntry | undefined {
  const entry = readEntry(String(row['body']));
  if (!entry || entry.seq !== Number(row['seq'])) return undefined;
  try {
    return { entry, head: JSON.parse(String(row['head'])) as unknown };
  } catch {
    return { entry, head: undefined };
  }
}

/** The entries in a text as etcd's tail holds them: an array. None where one cannot be read. */
export function readEntries(text: string): readonly AuditLogEntry[] {
  try {
    const values = parseJson(Buffer.from(text, 'utf8'), 'audit log');
    return Array.isArray(values) ? values.map(decodeEntry) : [];
  } catch {
    return [];
  }
}

function isDetail(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
