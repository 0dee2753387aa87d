import { describe, expect, it } from '@jest/globals';
import { BadRequestException } from '@nestjs/common';
import {
  ProblemError,
  checkExpectation,
  encodeCursor,
  isName,
  pageOf,
  parseIfMatch,
  parseOneValue,
  toProblem,
  toProblemError,
} from './index.js';

function statusOf(run: () => unknown): number {
  try {
    run();
  } catch (error) {
    return toProblemError(error).status;
  }
  return 200;
}

describe('a name', () => {
  it.each(['web1', 'web-1.example.org', 'a', '0', 'a'.repeat(63)])('may be %p', (name) => {
    expect(isName(name)).toBe(true);
  });

  it.each([
    '',
    '../etcd',
    'a/b',
    'a..b',
    'Web1',
    'a b',
    'a\nb',
    'a\u0000b',
    '-a',
    'a-',
    'a'.repeat(64),
    `${'a.'.repeat(127)}`,
    'ä',
    'a%2fb',
    5,
    null,
  ])('may not be %p', (name) => {
    expect(isName(name)).toBe(false);
  });
});

describe('a small body', () => {
  it('is read from JSON and from YAML alike', () => {
    expect(parseOneValue('{"a": [1, "x"]}')).toEqual({ a: [1, 'x'] });
    expect(parseOneValue('a:\n  - 1\n  - x\n')).toEqual({ a: [1, 'x'] });
  });

  it.each([
    ['nothing', ''],
    ['broken JSON', '{"a": '],
    ['duplicate keys', '{"a": 1, "a": 2}'],
    ['two documents', 'a: 1\n---\nb: 2\n'],
    ['brackets a hundred thousand deep', '['.repeat(100_000)],
    ['dashes a hundred thousand deep', '- '.repeat(100_000)],
    ['an alias', 'a: &x [1]\nb: *x\n'],
    ['a prototype', '{"__proto__": {"admin": true}}'],
    ['a key that is a list', '[1]: 2'],
  ])('with %s is refused as the caller’s mistake', (_title, text) => {
    expect(statusOf(() => parseOneValue(text))).toBe(400);
  });

  it('is refused when it is too large', () => {
    expect(statusOf(() => parseOneValue('x'.repeat(300_000)))).toBe(413);
  });
});

describe('If-Match', () => {
  it('is met by the revision it names and by nothing else', () => {
    const expected = parseIfMatch('"17"');
    expect(statusOf(() => checkExpectation(expected, 17n))).toBe(200);
    expect(statusOf(() => checkExpectation(expected, 18n))).toBe(412);
    expect(statusOf(() => checkExpectation(expected, undefined))).toBe(412);
    expect(statusOf(() => checkExpectation(parseIfMatch('*'), undefined))).toBe(412);
    expect(statusOf(() => checkExpectation(parseIfMatch(undefined), undefined))).toBe(200);
  });

  it.each(['17', '""', '"x"', '"1","2"', `"${'9'.repeat(40)}"`])('%p is refused', (header) => {
    expect(statusOf(() => parseIfMatch(header))).toBe(400);
  });
});

describe('a page', () => {
  const items = ['a', 'b', 'c'].map((name) => ({ name }));
  const page = (limit: number, cursor?: string) =>
    pageOf(items, { limit, cursor }, '5', (item) => item.name);

  it('goes on where the one before ended, also when that item is gone', () => {
    const first = page(2);
    expect(first).toEqual({ items: ['a', 'b'], next: encodeCursor('b'), revision: '5' });
    expect(page(2, first.next)).toEqual({ items: ['c'], next: undefined, revision: '5' });
    expect(page(2, encodeCursor('ab')).items).toEqual(['b', 'c']);
    expect(page(2, encodeCursor('z')).items).toEqual([]);
  });

  it('refuses a cursor that is none', () => {
    expect(statusOf(() => page(2, 'AAAA'))).toBe(400);
  });
});

describe('a problem', () => {
  it('keeps what we refuse and hides what we did not foresee', () => {
    const internal = toProblem(toProblemError(new Error('secret path')));
    expect(internal).toMatchObject({ status: 500, type: 'urn:hostward:problem:internal' });
    expect(JSON.stringify(internal)).not.toContain('secret');
    expect(toProblemError(new BadRequestException('x')).status).toBe(400);
    expect(toProblemError(Object.assign(new Error('big'), { statusCode: 413 })).kind).toBe(
      'too-large',
    );
    expect(toProblemError(new ProblemError('conflict')).status).toBe(409);
  });
});
