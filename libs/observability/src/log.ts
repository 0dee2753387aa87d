import { inspect, types } from 'node:util';

/** ERROR: someone must act now. WARN: healed by itself. INFO: state changed. DEBUG: path taken. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Values that belong to a log line; errors are written as name, message and the chain of causes. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where lines go and how much of them; `write` gets one line with its newline. */
export interface LogOptions {
  readonly level?: LogLevel;
  readonly write?: (line: string) => void;
  readonly now?: () => Date;
  readonly fields?: LogFields;
}

const MAX_VALUE_CHARS = 4_096;
const MAX_CAUSES = 5;

/** JSON lines: a constant message, values in fields. Never throws. */
export class Log {
  /** Shared with children, and theirs. */
  readonly #threshold: { rank: number };
  readonly #write: (line: string) => void;
  readonly #now: () => Date;
  readonly #fields: LogFields;
  readonly #options: LogOptions;

  constructor(options: LogOptions = {}, parent?: Log) {
    this.#options = options;
    this.#threshold = parent ? parent.#threshold : { rank: rankOf(options.level ?? 'info') };
    this.#write = options.write ?? ((line) => process.stderr.write(line));
    this.#now = options.now ?? (() => new Date());
    this.#fields = options.fields ?? {};
  }

  /** A log that adds these fields to every line. */
  child(fields: LogFields): Log {
    return new Log({ ...this.#options, fields: { ...this.#fields, ...fields } }, this);
  }

  /** From now on, for this log, its children and its parents. */
  setLevel(level: LogLevel): void {
    this.#threshold.rank = rankOf(level);
  }

  error(message: string, fields: LogFields = {}): void {
    this.write('error', message, fields);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.write('warn', message, fields);
  }

  info(message: string, fields: LogFields = {}): void {
    this.write('info', message, fields);
  }

  debug(message: string, fields: LogFields = {}): void {
    this.write('debug', message, fields);
  }

  /** Writes one line if `level` is wanted. */
  write(level: LogLevel, message: string, fields: LogFields = {}): void {
    if (rankOf(level) > this.#threshold.rank) return;
    const time = this.#now().toISOString();
    this.#write(`${toJson({ time, level, message, ...this.#fields, ...fields })}\n`);
  }
}

function rankOf(level: LogLevel): number {
  return LOG_LEVELS.indexOf(level);
}

function toJson(line: Record<string, unknown>): string {
  try {
    return JSON.stringify(line, plain);
  } catch (cause) {
    // A line that cannot be written (a cycle) must not end its writer: it says so instead.
    return JSON.stringify({
      level: line['level'],
      message: line['message'],
      unwritable: String(cause),
    });
  }
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (isError(value)) return describeError(value);
  if (typeof value === 'string' && value.length > MAX_VALUE_CHARS) {
    return `${value.slice(0, MAX_VALUE_CHARS)}…`;
  }
  return value;
}

/**
 * Name and message of an error and of up to five causes, outermost first; also of errors of another realm (`instanceof`
 * does not know them), of what several attempts failed for, and of a cause that is no error.
 */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  while (current !== undefined && parts.length < MAX_CAUSES) {
    parts.push(isError(current) ? `${current.name}: ${current.message}` : textOf(current));
    current = isError(current) ? causeOf(current) : undefined;
  }
  return parts.length > 0 ? parts.join(' <- ') : String(error);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : inspect(value, { breakLength: Infinity });
}

function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

/** An AggregateError says nothing itself: its first error does. */
function causeOf(error: Error): unknown {
  if (error.cause !== undefined) return error.cause;
  return 'errors' in error && Array.isArray(error.errors) ? error.errors[0] : undefined;
}
