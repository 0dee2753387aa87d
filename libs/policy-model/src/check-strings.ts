/**
 * What no document may contain, whatever its kind and the mode: characters that a reviewer cannot see, strings longer
 * than a path can be, keys that attack JavaScript objects, nesting and sizes beyond any use. It runs before everything
 * else, so that the validators after it walk a value of known size.
 */
import { isRecord } from './check-field.js';
import type { Path, Report } from './finding.js';

/** PATH_MAX without its final NUL; no other text of a policy has a reason to be longer. */
const MAX_STRING_BYTES = 4095;
const MAX_DEPTH = 32;
const MAX_VALUES = 200_000;

/** C0 and C1 controls, DEL, separators of lines and paragraphs, what has no width or another one, and what turns the direction of writing. */
const UNSEEN = /[\u0000-\u001f\u007f-\u00a0\u2028\u2029\p{Cf}]/u;
/** In prose lines and tabs are fine, and what joins the parts of a sign. */

const UNSEEN_IN_PROSE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

const PROSE = new Set<string | number | undefined>(['message', 'apparmor']);
const HOSTILE_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

/** Reports what must not be; false if the value is too large or too deep to go on with. */
export function checkStrings(value: unknown, report: Report): boolean {
  return new StringCheck(report).visit(value, []);
}

class StringCheck {
  #left = MAX_VALUES;
  readonly #encoder = new TextEncoder();

  constructor(private readonly report: Report) {}

  visit(value: unknown, path: Path): boolean {
    this.#left -= 1;
    if (this.#left < 0)
      return this.#refuse(path, 'text-too-large', `more than ${MAX_VALUES} values`);
    if (path.length > MAX_DEPTH)
      return this.#refuse(path, 'too-deep', `nested deeper than ${MAX_DEPTH}`);
    if (typeof value === 'string') this.#checkText(value, path);
    if (typeof value === 'number' && !Number.isFinite(value)) this.#notFinite(value, path);
    if (Array.isArray(value))
      return value.every((item, index) => this.visit(item, [...path, index]));
    return isRecord(value) ? this.#visitFields(value, path) : true;
  }

  #visitFields(value: Readonly<Record<string, unknown>>, path: Path): boolean {
    return Object.entries(value).every(([key, item]) => {
      this.#checkKey(key, path);
      return this.visit(item, [...path, key]);
    });
  }

  #refuse(path: Path, rule: 'text-too-large' | 'too-deep', what: string): false {
    const message = `the document is ${what}`;
    this.report({
      severity: 'error',
      path: path.slice(0, 4),
      rule,
      message,
      remedy: 'split the document',
    });
    return false;
  }

  #notFinite(value: number, path: Path): void {
    const message = 'the number is not finite';
    const remedy = 'write a whole number';
    this.report({ severity: 'error', path, value, rule: 'number-out-of-range', message, remedy });
  }

  #checkKey(key: string, path: Path): void {
    if (HOSTILE_KEYS.has(key)) {
      const message = `${key} cannot be a key`;
      this.report({
        severity: 'error',
        path,
        value: key,
        rule: 'bad-key',
        message,
        remedy: 'remove it',
      });
    }
    this.#checkText(key, path);
  }

  #checkText(text: string, path: Path): void {
    const unseen = PROSE.has(path.at(-1)) ? UNSEEN_IN_PROSE : UNSEEN;
    if (unseen.test(text) || !text.isWellFormed()) {
      const message = 'control characters and others that cannot be seen are not allowed';
      const remedy = 'remove them';
      this.report({
        severity: 'error',
        path,
        value: text,
        rule: 'control-character',
        message,
        remedy,
      });
    }
    if (this.#tooLong(text)) {
      const message = `the text is longer than ${MAX_STRING_BYTES} bytes`;
      const remedy = 'no path on Linux is that long; shorten it';
      this.report({
        severity: 'error',
        path,
        value: text,
        rule: 'string-too-long',
        message,
        remedy,
      });
    }
  }

  #tooLong(text: string): boolean {
    if (text.length * 3 <= MAX_STRING_BYTES) return false;
    return text.length > MAX_STRING_BYTES || this.#encoder.encode(text).length > MAX_STRING_BYTES;
  }
}
