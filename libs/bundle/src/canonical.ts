import { RefusedError, malformed } from './errors.js';
import { limits } from './limits.js';

/**
 * Bytes of a document of ours at the moment it is first produced: RFC 8785 (JSON, keys sorted by UTF-16 code unit, no
 * white space), restricted to what survives every JSON reader: no integer beyond 2^53-1, no lone surrogates.
 * Members that are `undefined` are left out. After that the bytes are signed, stored and compared, never made again.
 */
export function canonicalBytes(value: unknown): Buffer {
  return Buffer.from(canonicalText(value, '$', 0), 'utf8');
}

/**
 * Parses canonical bytes and refuses every other spelling: duplicate keys, rounded numbers, odd escapes, white space,
 * invalid UTF-8. So two readers of the same signed bytes cannot see two meanings.
 */
export function parseCanonical(bytes: Uint8Array, path: string, maxBytes: number): unknown {
  if (bytes.byteLength > maxBytes) {
    throw new RefusedError('too-large', `${path}: ${bytes.byteLength} bytes, at most ${maxBytes}`);
  }
  const text = decodeUtf8(bytes, path);
  const value = parseJson(text, path);
  if (canonicalText(value, path, 0) !== text) malformed(path, 'is not in canonical form');
  return value;
}

/** Parses JSON text without asking for the canonical form: for what is not signed itself. */
export function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new RefusedError('malformed', `${path}: is not JSON`, { cause });
  }
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Fatal decoding: neither replacement characters nor a swallowed byte order mark. */
export function decodeUtf8(bytes: Uint8Array, path: string): string {
  try {
    return UTF_8.decode(bytes);
  } catch (cause) {
    throw new RefusedError('malformed', `${path}: is not UTF-8`, { cause });
  }
}

function canonicalText(value: unknown, path: string, depth: number): string {
  if (depth > limits.jsonDepth) malformed(path, `is nested deeper than ${limits.jsonDepth}`);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return numberText(value, path);
  if (typeof value === 'string') return stringText(value, path);
  if (Array.isArray(value)) {
    return `[${value.map((item) => canonicalText(item, path, depth + 1)).join(',')}]`;
  }
  if (isPlainObject(value)) return objectText(value, path, depth);
  return malformed(path, `holds a ${typeof value} that JSON cannot carry`);
}

function objectText(value: Record<string, unknown>, path: string, depth: number): string {
  let text = '';
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member === undefined) continue;
    text += `${text && ','}${stringText(key, path)}:${canonicalText(member, path, depth + 1)}`;
  }
  return `{${text}}`;
}

function numberText(value: number, path: string): string {
  if (!Number.isFinite(value)) malformed(path, 'holds a number that is not finite');
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    malformed(path, 'holds an integer beyond 2^53-1, which JSON readers round');
  }
  return JSON.stringify(value);
}

/** Text that stands in JSON as it is, in one pass: nearly all of what we write is keys, hex and base64. */
const PLAIN = /^[ !#-[\]-~]*$/;

function stringText(value: string, path: string): string {
  if (PLAIN.test(value)) return `"${value}"`;
  if (!value.isWellFormed()) malformed(path, 'holds a lone surrogate');
  return JSON.stringify(value);
}

/** By tag, not by prototype: a Map, a Date or a Buffer would lose its content without a word. */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === '[object Object]';
}
