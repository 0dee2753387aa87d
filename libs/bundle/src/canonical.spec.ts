import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalBytes, parseCanonical } from './canonical.js';
import { RefusedError } from './errors.js';

const parse = (text: string) => parseCanonical(Buffer.from(text, 'utf8'), 'test', 10_000);
const wellFormed = fc.string({ unit: 'grapheme' }).filter((text) => text.isWellFormed());
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger().filter((number) => !Object.is(number, -0)),
    wellFormed,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(wellFormed, tie('value'), { maxKeys: 4 }),
  ),
})).value;

describe('canonical bytes', () => {
  it('come back as the same value and the same bytes', () => {
    fc.assert(
      fc.property(json, (value) => {
        const bytes = canonicalBytes(value);
        expect(canonicalBytes(parseCanonical(bytes, 'test', 1_000_000)).equals(bytes)).toBe(true);
      }),
    );
  });

  it('do not depend on the order in which an object was made', () => {
    expect(canonicalBytes({ b: 1, a: { d: [], c: null } })).toEqual(
      canonicalBytes({ a: { c: null, d: [] }, b: 1 }),
    );
    expect(canonicalBytes({ b: 1, 10: 2, 9: 3 }).toString()).toBe('{"10":2,"9":3,"b":1}');
  });

  it('leave out what is undefined', () => {
    expect(canonicalBytes({ a: undefined, b: 1 }).toString()).toBe('{"b":1}');
  });

  it('keep a member called __proto__ a member', () => {
    expect(canonicalBytes(parse('{"__proto__":{"a":1}}')).toString()).toBe('{"__proto__":{"a":1}}');
  });

  it.each([
    [2 ** 53],
    [Number.NaN],
    [Infinity],
    ['\ud800'],
    [new Map()],
    [new Date(0)],
    [10n],
    [() => 1],
    [undefined],
  ])('refuse %p, which JSON would carry wrongly', (value) => {
    expect(() => canonicalBytes({ value: [value] })).toThrow(RefusedError);
  });

  it('refuse nesting without end', () => {
    const nested = JSON.parse('['.repeat(70) + ']'.repeat(70)) as unknown;
    expect(() => canonicalBytes(nested)).toThrow(RefusedError);
    expect(() => parse('['.repeat(4000) + ']'.repeat(4000))).toThrow(RefusedError);
  });
});

describe('parsing canonical bytes', () => {
  it.each([
    ['duplicate keys', '{"a":1,"a":2}'],
    ['keys out of order', '{"b":1,"a":2}'],
    ['white space', '{"a": 1}'],
    ['a final line feed', '{"a":1}\n'],
    ['a rounded integer', '{"a":9007199254740993}'],
    ['a number spelled otherwise', '{"a":1.0}'],
    ['an exponent', '{"a":1e2}'],
    ['minus zero', '{"a":-0}'],
    ['an escape that is not needed', '{"a":"\\u0061"}'],
    ['a lone surrogate', '{"a":"\\ud800"}'],
    ['a byte order mark', '\ufeff{"a":1}'],
    ['half a document', '{"a":'],
    ['nothing', ''],
  ])('refuses %s', (_what, text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'malformed' }));
  });

  it('refuses bytes that are not UTF-8, and more bytes than the bound', () => {
    const bad = Buffer.from([0x22, 0xff, 0x22]);
    expect(() => parseCanonical(bad, 'test', 10)).toThrow(
      expect.objectContaining({ code: 'malformed' }),
    );
    expect(() => parse(`"${'a'.repeat(10_000)}"`)).toThrow(
      expect.objectContaining({ code: 'too-large' }),
    );
  });
});
