/** A JSON document of the native side does not have the declared shape: versions differ, or something is broken. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';

  constructor(
    readonly path: string,
    rule: string,
  ) {
    super(`${path}: ${rule}`);
  }
}

/** Turns an unknown value into `T` or throws ShapeError naming the path. */
export type Parser<T> = (value: unknown, path: string) => T;

type Shape = Readonly<Record<string, Parser<unknown>>>;
type Parsed<S extends Shape> = { readonly [K in keyof S]: ReturnType<S[K]> };

export const text: Parser<string> = (value, path) => {
  if (typeof value !== 'string') throw new ShapeError(path, 'must be a string');
  return value;
};

export const flag: Parser<boolean> = (value, path) => {
  if (typeof value !== 'boolean') throw new ShapeError(path, 'must be true or false');
  return value;
};

/** An integer that a double holds exactly. */
export const integer: Parser<number> = (value, path) => {
  if (!Number.isSafeInteger(value)) throw new ShapeError(path, 'must be an integer below 2^53');
  return Number(value);
};

/** An unsigned 64-bit number as decimal text. */
export const decimal: Parser<string> = (value, path) => {
  const digits = text(value, path);
  if (!/^(0|[1-9]\d{0,19})$/.test(digits)) throw new ShapeError(path, 'must be a decimal number');
  return digits;
};

export function oneOf<const T extends string>(...allowed: readonly T[]): Parser<T> {
  return (value, path) => {
    const found = allowed.find((one) => one === value);
    if (found === undefined) throw new ShapeError(path, `must be one of ${allowed.join(', ')}`);
    return found;
  };
}

export function optional<T>(parser: Parser<T>): Parser<T | undefined> {
  return (value, path) => (value === undefined ? undefined : parser(value, path));
}

export function listOf<T>(parser: Parser<T>): Parser<readonly T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw new ShapeError(path, 'must be a list');
    return value.map((item, index) => parser(item, `${path}/${index}`));
  };
}

/** An object with these keys and no other. */
export function record<S extends Shape>(shape: S): Parser<Parsed<S>> {
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new ShapeError(path, 'must be an object');
    }
    const unknown = Object.keys(value).find((key) => !Object.hasOwn(shape, key));
    if (unknown !== undefined) throw new ShapeError(`${path}/${unknown}`, 'is not known');
    const source = new Map<string, unknown>(Object.entries(value));
    const entries = Object.entries(shape).map(
      ([key, parser]) => [key, parser(source.get(key), `${path}/${key}`)] as const,
    );
    return Object.fromEntries(entries.filter(([, field]) => field !== undefined)) as Parsed<S>;
  };
}
