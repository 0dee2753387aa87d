import { describe, expect, it } from '@jest/globals';
import { BadRequestException } from '@nestjs/common';
import type { Page } from '#contracts';
import {
  checkExpectation,
  encodeCursor,
  isName,
  pageOf,
  parseIfMatch,
  parseOneValue,
  toProblem,
  toProblemError,
} from './index.js';
import { readEnd } from './end-time.js';
import { conflict, notFound, shown } from './problem.error.js';

function statusOf(run: () => unknown): number {
  try {
    run();
  } catch (error) {
    return toProblemError(error).status;
  }
  return 200;
}

describe('an end', () => {
  const NOW = Date.parse('2026-12-01T00:00:00Z');
  const end = (text: string): string => readEnd(text, 'until', NOW, 86_400_000);

  it('is a time, or a duration by the clock of the control plane', () => {
    expect(end('2026-12-01T01:00:00+00:30')).toBe('2026-12-01T00:30:00.000Z');
    expect(end('1h30m')).toBe('2026-12-01T01:30:00.000Z');
  });

  it.each(['', '0s', '2d', '30', 'soon', '2026-11-30T23:59:59Z', '2026-12-03T00:00:00Z', '2027'])(
    'is not %p',
    (text) => expect(statusOf(() => end(text))).toBe(400),
  );

  // It would be a time of the server's zone, by hours another one than that of who wrote it.
  it.each(['2026-12-01T12:00:00', '2026-12-01T12:00:00 EST', '2026-12-01T12:00'])(
    'is not %p, which names no zone',
    (text) => expect(statusOf(() => end(text))).toBe(400),
  );
});

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
    ['duplicate keys that are spelled otherwise', '{"a": [{"b": ":", "\\u0062": "\\":"}]}'],
    ['duplicate keys of a flow mapping', '{a: 1, "a": 2}'],
    ['duplicate keys of a block mapping', 'a:\n  - b: 1\n    b: 1\n'],
    ['duplicate keys, of which one is a number', '1: a\n"1": b\n'],
    ['two documents', 'a: 1\n---\nb: 2\n'],
    ['brackets a hundred thousand deep', '['.repeat(100_000)],
    ['dashes eight thousand deep', '- '.repeat(8_000)],
    [
      'brackets that others in a string hide',
      `{"x":"${']'.repeat(9_000)}","a":${'['.repeat(9_000)}${']'.repeat(9_000)}}`,
    ],
    ['an alias', 'a: &x [1]\nb: *x\n'],
    ['a prototype', '{"__proto__": {"admin": true}}'],
    ['a prototype in YAML', '__proto__:\n  admin: true\n'],
    ['a key that is a list', '[1]: 2'],
  ])('with %s is refused as the caller’s mistake', (_title, text) => {
    expect(statusOf(() => parseOneValue(text))).toBe(400);
  });

  it('is refused when it is too large', () => {
    expect(statusOf(() => parseOneValue(`"${'x'.repeat(300_000)}"`))).toBe(413);
    expect(statusOf(() => parseOneValue('x'.repeat(70_000)))).toBe(413);
  });

  it('says in which line it cannot be read, and nothing of what is there', () => {
    const text = 'a: 1\nb: "needle\n';
    expect(() => parseOneValue(text)).toThrow(/at line 3, column 1$/);
    expect(() => parseOneValue(text)).not.toThrow(/needle/);
  });

  it('keeps colons, quotes and backslashes of its strings', () => {
    const value = { 'a:"\\': [':', '\\"', '\\', { ':': '","b":1' }], b: {} };
    expect(parseOneValue(JSON.stringify(value))).toEqual(value);
  });

  /** As much as is taken of each. */
  const many = (one: string, chars: number) => one.repeat(chars / one.length);
  const keys = (chars: number) =>
    Array.from({ length: chars / 18 }, (_, at) => `"key${at + 1e6}": 1`);

  it.each([
    ['keys in JSON', `{${keys(256 * 1024).join()}}`, 200],
    ['keys in a flow mapping', `{a: 1, ${keys(15 * 1024).join()}}`, 200],
    ['keys in a block mapping', keys(15 * 1024).join('\n'), 200],
    ['anchors', many('&a ', 16 * 1024), 400],
    ['tags', many('!a ', 16 * 1024), 400],
    ['brackets', many(']', 16 * 1024), 400],
    ['documents', many('---\n', 16 * 1024), 400],
  ])('of as many %s as there may be holds nobody up', (_title, text, status) => {
    const before = process.cpuUsage();
    expect(statusOf(() => parseOneValue(text))).toBe(status);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(2_000);
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

describe('a search by name', () => {
  let looks = 0;
  const hosts = Array.from({ length: 10_000 }, (_, at) => {
    const name = `h${String(at).padStart(4, '0')}`;
    return {
      get name() {
        looks += 1;
        return name;
      },
    };
  });
  /** Names on all pages, their number, and how often a name was looked at. */
  const search = (name: string, limit: number) => {
    looks = 0;
    const found: string[] = [];
    let pages = 0;
    for (let next: string | undefined = ''; next !== undefined; pages += 1) {
      const query = { limit, cursor: next || undefined, name };
      const page: Page<string> = pageOf(hosts, query, '5', (host) => host.name);
      found.push(...page.items);
      next = page.next;
    }
    return { found, pages, looks };
  };
  const HALVINGS = 2 * Math.ceil(Math.log2(10_000)) + 2;

  it('looks only at those that begin as what is searched, whatever their number', () => {
    expect(search('h12?4*', 5)).toMatchObject({
      found: expect.arrayContaining(['h1204', 'h1294']),
    });
    const { found, pages, looks } = search('h123*', 4);
    expect([found.length, found[0], found[9], pages]).toEqual([10, 'h1230', 'h1239', 3]);
    expect(looks).toBeLessThanOrEqual(4 * 10 + pages * (HALVINGS + 8));
    expect(search('h1234', 1).found).toEqual(['h1234']);
    expect(search('h1234', 1).looks).toBeLessThanOrEqual(HALVINGS + 8);
    const none = search('k*', 5);
    expect([none.found, none.pages]).toEqual([[], 1]);
    expect(none.looks).toBeLessThanOrEqual(HALVINGS + 8);
  });

  it('looks once at each name where only what stands within is searched, and for the end of a page at those up to the next', () => {
    const { found, pages, looks } = search('*77', 3);
    expect([found.length, found[0], pages]).toEqual([100, 'h0077', 34]);
    expect(looks).toBeLessThanOrEqual(2 * 10_000 * (1 + 1 / 3) + pages * (HALVINGS + 16));
  });

  it.each(['', 'Web*', 'web_1', 'a/b', '[ab]', 'web-*\n', 'ä', '*'.repeat(254)])(
    'refuses %p, and says what may be searched',
    (name) => {
      let refusal: unknown;
      try {
        search(name, 1);
      } catch (error) {
        refusal = error;
      }
      expect(refusal).toMatchObject({
        kind: 'invalid-input',
        detail: 'name: is not a name or a pattern of names',
        errors: [{ field: 'name', value: shown(name), remedy: expect.stringContaining('"*"') }],
      });
    },
  );
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
    expect(toProblemError(notFound('node', 'x')).status).toBe(404);
  });

  it('of what is there already names the field, its value and what leads on', () => {
    const remedy = 'choose another one';
    const taken = toProblem(conflict('name', 'web1', 'is taken', remedy));
    expect(taken).toMatchObject({
      ...{ status: 409, type: 'urn:hostward:problem:conflict' },
      detail: 'name web1 is taken: choose another one',
      errors: [{ field: 'name', value: 'web1', message: 'is taken', remedy }],
    });
    expect(conflict('packages', undefined, 'are not whole', remedy).detail).toBe(
      'packages are not whole: choose another one',
    );
  });
});
