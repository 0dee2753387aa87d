import { ProblemError, unreadable } from './problem.error.js';
import { parseOneYaml } from './yaml-text.js';

const MAX_DEPTH = 64;
const MAX_CHARS = 256 * 1024;
/** Reading YAML takes hundreds of times as long as reading JSON, and everybody waits for it: 0.1 s at worst, 0.5 s for 64 KiB. */
const MAX_YAML_CHARS = 16 * 1024;
/** To validate thousands of them, each of the wrong kind, takes a second, and everybody waits for that too. */
export const MAX_STRANGERS_VALUES = 100;

/**
 * Reads one value from JSON or YAML text, strictly: one document, no duplicate keys, no aliases, bounded depth.
 * Throws ProblemError 400 or 413.
 */
export function parseOneValue(text: string): unknown {
  if (text.length > MAX_CHARS) throw tooLarge(`this body may have ${MAX_CHARS} characters`);
  refuseDepth(text);
  const value = jsonIn(text);
  if (value !== undefined) {
    if (keysIn(value, MAX_DEPTH) < countBare(text, ':'))
      throw unreadable('an object has the same key twice');
    return value;
  }
  if (text.length > MAX_YAML_CHARS)
    throw tooLarge(`a body that is not JSON may have ${MAX_YAML_CHARS} characters`);
  return parseOneYaml(text, MAX_DEPTH);
}

/** Whether a text is JSON of few fields and items, which is all that is read of whom we do not know. */
export function isFewJson(text: string): boolean {
  return jsonIn(text) !== undefined && countBare(text, ',') < MAX_STRANGERS_VALUES;
}

/** Undefined where it is none. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Counts brackets before a parser recurses: a body of a million `[` must not exhaust the stack. */
function refuseDepth(text: string): void {
  let depth = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 0x5b || code === 0x7b) depth += 1;
    else if (code === 0x5d || code === 0x7d) depth -= 1;
    if (depth > MAX_DEPTH) throw unreadable(`nested deeper than ${MAX_DEPTH} levels`);
  }
}

/** How many keys a value has on all its levels: of duplicates the parser keeps the last. */
function keysIn(value: unknown, deeper: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  // Brackets in strings, that hide others from whoever counted them before.
  if (deeper < 0) throw unreadable(`nested deeper than ${MAX_DEPTH} levels`);
  if (Object.hasOwn(value, '__proto__')) throw unreadable('the key __proto__ is not allowed');
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce<number>((sum, one) => sum + keysIn(one, deeper - 1), own);
}

/** How many of a mark there are outside of the strings of a text that is JSON; of colons one for each key. */
function countBare(text: string, mark: ':' | ','): number {
  const bare = text.replaceAll(/\\./g, '').replaceAll(/"[^"]*"/g, '');
  return bare.split(mark).length - 1;
}

function tooLarge(detail: string): ProblemError {
  return new ProblemError('too-large', { detail });
}
