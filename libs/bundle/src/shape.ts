import { RefusedError, malformed } from './errors.js';
import { fromBase64 } from './encoding.js';

/** Turns an unknown value into T or throws a RefusedError that names the path, never the value. */
export type Parser<T> = (value: unknown, path: string) => T;
type Shape = Readonly<Record<string, Parser<unknown>>>;
type Parsed<S extends Shape> = {
  readonly [K in keyof S]: S[K] extends Parser<infer T> ? T : never;
};

/** An object with exactly these members; unknown ones are refused, so that a later field is never half understood. */
export function object<S extends Shape, O extends Shape = Record<never, never>>(
  required: S,
  optional?: O,
): Parser<Parsed<S> & Partial<Parsed<O>>> {
  const known = new Map<string, Parser<unknown>>([
    ...Object.entries(required),
    ...Object.entries(optional ?? {}),
  ]);
  const needed = Object.keys(required);
  return (value, path) => {
    const members = membersOf(value, path);
    for (const key of Object.keys(members))
      if (!known.has(key)) malformed(path, 'has an unknown member');
    for (const key of needed) if (!Object.hasOwn(members, key)) malformed(path, `lacks ${key}`);
    const parsed: Record<string, unknown> = {};
    for (const [key, parse] of known) {
      if (Object.hasOwn(members, key)) parsed[key] = parse(members[key], `${path}.${key}`);
    }
    return parsed as Parsed<S> & Partial<Parsed<O>>;
  };
}

function membersOf(value: unknown, path: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    malformed(path, 'must be an object');
  return value as Record<string, unknown>;
}

/** A list of at most `max` items. */
export function list<T>(item: Parser<T>, max: number, min = 0): Parser<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) malformed(path, 'must be a list');
    if (value.length > max) throw new RefusedError('too-large', `${path}: more than ${max} items`);
    if (value.length < min) malformed(path, `needs at least ${min} items`);
    return value.map((entry: unknown, index) => item(entry, `${path}[${index}]`));
  };
}

/** An object used as a map: at most `max` members, keys up to 253 characters. */
export function mapOf<T>(item: Parser<T>, max: number): Parser<Readonly<Record<string, T>>> {
  return (value, path) => {
    const members = Object.entries(membersOf(value, path));
    if (members.length > max)
      throw new RefusedError('too-large', `${path}: more than ${max} members`);
    const parsed = members.map(([key, member]): readonly [string, T] => [
      text(253)(key, `${path} (a key)`),
      item(member, path),
    ]);
    return Object.fromEntries(parsed);
  };
}

/** Text of at most `max` UTF-16 units that matches the pattern. */
export function text(max: number, pattern?: RegExp): Parser<string> {
  return (value, path) => {
    if (typeof value !== 'string') malformed(path, 'must be a string');
    if (value.length > max)
      throw new RefusedError('too-large', `${path}: more than ${max} characters`);
    if (pattern && !pattern.test(value)) malformed(path, `does not match ${pattern.source}`);
    return value;
  };
}

/** A safe integer from `min` up. */
export function integer(min: number): Parser<number> {
  return (value, path) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min) {
      malformed(path, `must be an integer of at least ${min}`);
    }
    return value;
  };
}

/** One of the given strings. */
export function oneOf<const T extends string>(...values: readonly T[]): Parser<T> {
  return (value, path) =>
    values.find((candidate) => candidate === value) ??
    malformed(path, `must be one of ${values.join(', ')}`);
}

/** The version mark of a document; another one is from a later program, not a broken one. */
export const version1: Parser<1> = (value, path) => {
  if (value !== 1)
    throw new RefusedError('unsupported-version', `${path}: only version 1 is known here`);
  return 1;
};

/** Base64 of exactly `bytes` bytes, kept as text. */
export function base64Of(bytes: number): Parser<string> {
  return (value, path) => {
    const encoded = text(Math.ceil(bytes / 3) * 4)(value, path);
    if (fromBase64(encoded, path, bytes).byteLength !== bytes)
      malformed(path, `must be ${bytes} bytes`);
    return encoded;
  };
}

/** Base64 of at most `maxBytes` bytes, kept as text. */
export function base64UpTo(maxBytes: number): Parser<string> {
  return (value, path) => {
    const encoded = text(Math.ceil(maxBytes / 3) * 4)(value, path);
    fromBase64(encoded, path, maxBytes);
    return encoded;
  };
}

/** 64 lower-case hex digits. */
export const sha256HexText: Parser<string> = text(64, /^[0-9a-f]{64}$/);

/** Whatever it is; somebody else validates it. */
export const anything: Parser<unknown> = (value) => value;
