/** What a host sent is not of the shape agreed on; the field says where. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';

  constructor(
    readonly field: string,
    rule: string,
  ) {
    super(`${field} ${rule}`);
  }
}

/** A value read strictly, once, at the edge: each reader checks type and bounds and names the field. */
export type Read<T> = (value: unknown, field: string) => T;

export const text =
  (max: number): Read<string> =>
  (value, field) => {
    if (typeof value === 'string' && value.length <= max) return value;
    throw new ShapeError(field, `must be a string of at most ${max} characters`);
  };

export const matching =
  (pattern: RegExp, rule: string): Read<string> =>
  (value, field) => {
    if (typeof value === 'string' && pattern.test(value)) return value;
    throw new ShapeError(field, rule);
  };

export const oneOf =
  <T extends string>(choices: readonly T[]): Read<T> =>
  (value, field) => {
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    throw new ShapeError(field, `must be one of ${choices.join(', ')}`);
  };

/** A whole number from 0 to 2^53-1. */
export const count: Read<number> = (value, field) => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new ShapeError(field, 'must be a whole number, not negative');
};

/** ISO 8601 in UTC, as Date.toISOString writes it. */
export const instant: Read<string> = (value, field) => {
  const valid =
    typeof value === 'string' &&
    /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,12}Z$/.test(value) &&
    Number.isFinite(Date.parse(value));
  if (valid) return value;
  throw new ShapeError(field, 'must be an ISO 8601 instant in UTC');
};

export const list =
  <T>(item: Read<T>, max: number): Read<readonly T[]> =>
  (value, field) => {
    if (!Array.isArray(value) || value.length > max) {
      throw new ShapeError(field, `must be a list of at most ${max}`);
    }
    return value.map((entry, index) => item(entry, `${field}[${index}]`));
  };

export const optional =
  <T>(read: Read<T>): Read<T | undefined> =>
  (value, field) =>
    value === undefined ? undefined : read(value, field);

/** Of one kind, as JSON: a fleet has few rule sets, a hostile host makes up any number. */
const MAX_SHARED_CHARS = 1024 * 1024;
const MAX_SHARED_VALUE_CHARS = 64 * 1024;

/**
 * What many send alike, and again and again, is read once: a value whose JSON came before is the one that was read then,
 * and so in memory once. Of a boundless variety only the latest is remembered.
 */
export const shared = <T extends string | object>(read: Read<T>): Read<T> => {
  const known = new Map<string, T>();
  let chars = 0;
  return (value, field) => {
    const json = JSON.stringify(value) ?? '';
    const before = known.get(json);
    if (before !== undefined) return before;
    const first = read(value, field);
    if (json.length > MAX_SHARED_VALUE_CHARS) return first;
    if (chars + json.length > MAX_SHARED_CHARS) {
      known.clear();
      chars = 0;
    }
    known.set(json, first);
    chars += json.length;
    return first;
  };
};

/** A mapping from strings to values, of bounded size. */
export const mapOf =
  <T>(item: Read<T>, max: number): Read<Readonly<Record<string, T>>> =>
  (value, field) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new ShapeError(field, 'must be a mapping');
    }
    const entries = Object.entries(value);
    if (entries.length > max) throw new ShapeError(field, `must have at most ${max} entries`);
    return Object.fromEntries(
      entries.map(([key, each]) => [key, item(each, `${field}.${key.slice(0, 60)}`)]),
    );
  };

export const flag: Read<boolean> = (value, field) => {
  if (typeof value === 'boolean') return value;
  throw new ShapeError(field, 'must be true or false');
};

/** Taken as it is; whoever uses it checks it. */
export const anything: Read<unknown> = (value) => value;

/** The number that says how a stored or sent form is laid out. */
export const version1: Read<1> = (value, field) => {
  if (value === 1) return 1;
  throw new ShapeError(field, 'must be 1');
};

/** Made once: it costs more than to parse what it decodes. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** JSON from bytes; throws ShapeError where it is none. */
export function parseJson(bytes: Uint8Array, field: string): unknown {
  try {
    return JSON.parse(utf8.decode(bytes)) as unknown;
  } catch (cause) {
    throw Object.assign(new ShapeError(field, 'is not JSON'), { cause });
  }
}

type Readers<T> = { readonly [K in keyof Required<T>]: Read<T[K]> };

/** A mapping with exactly these keys; absent ones are left to their readers, others are refused. */
export const record = <T extends object>(readers: Readers<T>): Read<T> => {
  const keys = Object.keys(readers) as (keyof T & string)[];
  const known: ReadonlySet<string> = new Set(keys);
  return (value, field) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new ShapeError(field, 'must be a mapping');
    for (const key of Object.keys(value))
      if (!known.has(key)) throw new ShapeError(`${field}.${key.slice(0, 60)}`, 'is not known');
    const source = value as Partial<Record<string, unknown>>;
    const result: Partial<T> = {};
    for (const key of keys) {
      const own = Object.hasOwn(source, key) ? source[key] : undefined;
      const read = readers[key](own, `${field}.${key}`);
      if (read !== undefined) result[key] = read;
    }
    return result as T;
  };
};
