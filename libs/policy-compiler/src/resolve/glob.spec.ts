import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AppArmorParser } from '#testing';
import { compileGlob, escapeGlob, globProblem, parseGlob, printGlob } from './glob.js';

const parser = AppArmorParser.find();
const withParser = parser === undefined ? it.skip : it;

describe('globs of AppArmor', () => {
  it.each([
    ['/tmp/*', '/tmp/a', true],
    ['/tmp/*', '/tmp/', false],
    ['/tmp/*', '/tmp/a/b', false],
    ['/tmp/**', '/tmp/a/b', true],
    ['/tmp/**', '/tmp/', false],
    ['/tmp/{,**}', '/tmp/', true],
    ['/home/**/.ssh/id_*', '/home/a/b/.ssh/id_rsa', true],
    ['/home/**/.ssh/id_*', '/home/.ssh/id_rsa', false],
    ['/usr/{,local/}bin/x?', '/usr/local/bin/xy', true],
    ['/usr/{,local/}bin/x?', '/usr/bin/x/', false],
    ['/a[b-d]e', '/ace', true],
    ['/a[^b-d]e', '/ace', false],
    ['/a[^b-]c', '/a-c', false],
    ['/a[^b-]c', '/aac', true],
    ['/a[%-+.-]b', '/a*b', true],
    ['/a\\*b', '/a*b', true],
    ['/a\\*b', '/axb', false],
  ])('says of %s and %s: %s', (glob, path, matches) => {
    expect(compileGlob(glob)(path)).toBe(matches);
  });

  const longPath = `/${'x/y/'.repeat(1000)}`;
  it.each([
    ['any byte behind any path', `/${'**?'.repeat(14)}X`],
    ['as many as it may have', `/${'**?'.repeat(1300)}X`],
    ['braces', `/${'{**,**}'.repeat(12)}X`],
    ['braces in braces', `/${'{**,{**,**}}'.repeat(300)}X`],
    ['stars', `/${'*/*'.repeat(1000)}X`],
    ['what a person may write', '/**/x/**/y/**/x/**/y/**/x/**/y/**/z'],
  ])('answers a pattern made to hang a matcher that tries again: %s', (_, glob) => {
    const matches = compileGlob(glob);
    expect(matches('/usr/lib/x86_64-linux-gnu/security/pam_unix.so')).toBe(false);
    expect(matches(longPath)).toBe(false);
  });

  it.each([
    ['tmp/x', 'slash'],
    ['/a{b', 'brace'],
    ['/a}b', 'brace'],
    ['/a{b}', 'single alternative'],
    ['/a[b', 'bracket'],
    ['/a[]b', 'empty bracket'],
    ['/a]b', 'bracket'],
    ['/a\\', 'backslash'],
    ['/a\\d+', 'not a regular expression'],
    ['/a@{HOME}', 'variable'],
    ['/a\nb', 'control character'],
    ['/a\0b', 'control character'],
    [`/${'a'.repeat(5000)}`, 'longer'],
    [`/${'{a,'.repeat(20)}b${'}'.repeat(20)}`, 'nests'],
    ['/[z-a]', 'wrong way round'],
  ])(
    'refuses a text that no profile may contain, saying what is wrong with it (case %#)',
    (glob, words) => {
      expect(globProblem(glob)).toContain(words);
    },
  );

  it('writes a glob back in a form that reads as the same glob', () => {
    fc.assert(
      fc.property(globs(), (glob) => {
        const printed = printGlob(parseGlob(glob));
        expect(printGlob(parseGlob(printed))).toBe(printed);
      }),
    );
  });

  it('matches an escaped path by itself and nothing else', () => {
    fc.assert(
      fc.property(paths(), paths(), (path, other) => {
        const matches = compileGlob(escapeGlob(path));
        expect(matches(path)).toBe(true);
        expect(matches(other)).toBe(path === other);
      }),
    );
  });

  withParser('matches exactly what the automaton of the real parser matches', () => {
    fc.assert(
      fc.property(globs(), fc.array(paths(), { minLength: 30, maxLength: 30 }), (glob, some) => {
        const printed = printGlob(parseGlob(glob));
        const automaton = parser?.automaton(`profile t {\n  "${printed}" r,\n}\n`);
        const ours = compileGlob(glob);
        for (const path of [...some, ...near(printed)]) {
          const theirs = automaton?.allows(path, 'r', 'owner');
          expect({ glob: printed, path, matches: ours(path) }).toEqual({
            glob: printed,
            path,
            matches: theirs,
          });
        }
      }),
      { numRuns: 150 },
    );
  });
});

/** Paths over few letters, so that globs over the same letters match often. */
function paths(): fc.Arbitrary<string> {
  const piece = fc.constantFrom(
    'a',
    'b',
    '/',
    '-',
    'é',
    ' ',
    '"',
    '[',
    '{',
    '}',
    ',',
    '*',
    '\\',
    '@',
    '^',
    '?',
    '#',
    "'",
  );
  return fc
    .array(piece, { maxLength: 8 })
    .map((pieces) => `/${pieces.join('')}`.replace(/\/{2,}/g, '/'));
}

function globs(): fc.Arbitrary<string> {
  const piece = fc.constantFrom(
    'a',
    'b',
    '/',
    '*',
    '**',
    '?',
    '[ab]',
    '[^a]',
    '[b-]',
    '[^b-]',
    '[-]',
    '{a,b}',
    '{,/b*}',
    '{a/**,b}',
    '\\*',
    'é',
    '"',
    ' ',
    '@',
    '^',
    '#',
  );
  return fc
    .array(piece, { minLength: 1, maxLength: 7 })
    .map((pieces) => `/${pieces.join('')}`)
    .filter((glob) => !glob.includes('@{'));
}

/** Paths made from the glob's own text, which a random path seldom hits. */
function near(glob: string): readonly string[] {
  const plain = glob.replace(/[\\[\]{}^]/g, '');
  return ['a', '', '/', 'a/b', 'é'].map((filling) =>
    plain.replace(/\*+|\?/g, filling).replace(/\/{2,}/g, '/'),
  );
}
