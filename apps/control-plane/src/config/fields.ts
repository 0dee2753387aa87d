import { ConfigError } from './config-error.js';

const MAX_SHOWN = 80;
const OR_NONE = '; leave it out where there is none';

/** Reads one mapping of a configuration file strictly: what is read is checked, what is not read is refused. */
export class Fields {
  readonly #left: Set<string>;
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(
    value: unknown,
    private readonly path: string,
  ) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new ConfigError(path || '(file)', show(value), 'must be a mapping');
    }
    this.#values = new Map(Object.entries(value));
    this.#left = new Set(this.#values.keys());
  }

  /** The mapping under `key`. */
  section(key: string): Fields {
    return new Fields(this.#take(key), this.#name(key));
  }

  /** As `section`, or undefined where `key` is absent. */
  optionalSection(key: string): Fields | undefined {
    return this.has(key) ? this.section(key) : undefined;
  }

  has(key: string): boolean {
    return this.#values.get(key) !== undefined && this.#values.get(key) !== null;
  }

  /** A string of 1 to 1024 characters. */
  text(key: string): string {
    const value = this.#take(key);
    if (typeof value === 'string' && value.length > 0 && value.length <= 1024) return value;
    throw this.#refuse(key, value, 'must be a string of 1 to 1024 characters');
  }

  optionalText(key: string): string | undefined {
    return this.has(key) ? this.text(key) : undefined;
  }

  /** A string that is one of `choices`. */
  choice<T extends string>(key: string, choices: readonly T[], fallback: T): T {
    const value = this.has(key) ? this.#take(key) : fallback;
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    throw this.#refuse(key, value, `must be one of ${choices.join(', ')}`);
  }

  /** A list of 1 to 64 strings. */
  texts(key: string): readonly string[] {
    return this.#texts(key, 'must be a list of 1 to 64 strings');
  }

  /** As `texts`, or none where `key` is absent. */
  optionalTexts(key: string): readonly string[] {
    return this.has(key) ? this.#texts(key, `must be a list of 1 to 64 strings${OR_NONE}`) : [];
  }

  /** The mappings of a list of 1 to 64. */
  sections(key: string): readonly Fields[] {
    return this.#sections(key, 'must be a list of 1 to 64 mappings');
  }

  /** As `sections`, or none where `key` is absent. */
  optionalSections(key: string): readonly Fields[] {
    return this.has(key) ? this.#sections(key, `must be a list of 1 to 64 mappings${OR_NONE}`) : [];
  }

  /** Refuses the value of `key`, which was read, for a reason that only its reader knows. */
  refuse(key: string, rule: string): ConfigError {
    return this.#refuse(key, this.#values.get(key), rule);
  }

  /** A TCP port; 0 lets the system choose. */
  port(key: string): number {
    const value = this.#take(key);
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 65_535) {
      return value;
    }
    throw this.#refuse(key, value, 'must be a whole number from 0 to 65535');
  }

  /** Refuses keys that nothing has read: a typing error must not become a default. Nobody knows which of them is a secret. */
  end(): void {
    for (const key of this.#left)
      throw new ConfigError(this.#name(key), 'there', 'is not a key that exists here');
  }

  #texts(key: string, rule: string): readonly string[] {
    const value = this.#take(key);
    if (isList(value) && value.every(isText)) return value;
    throw this.#refuse(key, value, rule);
  }

  #sections(key: string, rule: string): readonly Fields[] {
    const value = this.#take(key);
    if (!isList(value)) throw this.#refuse(key, value, rule);
    return value.map((each, i) => new Fields(each, `${this.#name(key)}[${i}]`));
  }

  #take(key: string): unknown {
    this.#left.delete(key);
    return this.#values.get(key);
  }

  #name(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`;
  }

  #refuse(key: string, value: unknown, rule: string): ConfigError {
    return new ConfigError(this.#name(key), show(value), rule);
  }
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) && value.length > 0 && value.length <= 64;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 1024;
}

function show(value: unknown): string {
  return value === undefined ? 'missing' : JSON.stringify(value).slice(0, MAX_SHOWN);
}
