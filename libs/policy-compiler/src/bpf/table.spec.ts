import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compileGlob, escapeGlob, globProblem, parseGlob, printGlob } from '../resolve/glob.js';
import { IMPLIED } from '../resolve/precedence.js';
import type { AllowList, CellEntry, EntrySet, PathEntry } from '../plan/types.js';
import { type Asker, Evaluator, type Verdict } from '../plan/verdict.js';
import { compileTable } from './compile-table.js';
import { OPERATIONS } from './layout.js';
import { TableError, TableReader, type TableVerdict } from './read-table.js';
import { SOCKET_KINDS } from '../resolve/socket-kinds.js';
import type { TableSubject } from './subjects.js';

const FULL = process.env['HOSTWARD_FULL'] === '1';
/** Rule sets; with --full they make more than a million pairs of a subject's rules and a path. */
const RUNS = FULL ? 6000 : 300;
const PATHS = FULL ? 120 : 40;
/** A run on a loaded machine takes a minute; a failure is shrunk until then. */
const interruptAfterTimeLimit = FULL ? 600_000 : 150_000;
/** Letters that rules have; those of directories above are asked of below. */
const LETTERS = 'rwlkmx';
const ACCESSES: readonly (readonly [letter: string, asker: Asker])[] = [...LETTERS].flatMap(
  (letter): [string, Asker][] => [
    [letter, 'owner'],
    [letter, 'other'],
  ],
);
/** One access in so many is asked for a path, in turn. */
const STRIDE = FULL ? 6 : 1;

/** Programs that have rules of their own in generated subjects. */
const SOURCES = ['/usr/bin/a', '/usr/bin/ab'] as const;

const names = fc.constantFrom('a', 'b', 'ab', 'ba', 'é', 'a.b');
const rawPath = fc.array(names, { minLength: 1, maxLength: 4 }).map((all) => `/${all.join('/')}`);

/** Paths over few letters, so that rules over the same letters match often; some are directories, some of PATH_MAX. */
function paths(): fc.Arbitrary<string> {
  const pieces = fc
    .array(fc.constantFrom('a', 'b', '/', 'é', ' ', '*', '[', '.dpkg-tmp'), { maxLength: 8 })
    .map((all) => `/${all.join('')}`.replace(/\/{2,}/g, '/'));
  const directory = rawPath.map((path) => `${path}/`);
  const long = fc
    .tuple(rawPath, fc.constantFrom('a', 'b/', 'é'))
    .map(([path, piece]) =>
      `${path}/${piece.repeat(4090 / Buffer.byteLength(piece))}`.slice(0, 4090),
    );
  return fc.oneof(
    { weight: 30, arbitrary: rawPath },
    { weight: 30, arbitrary: pieces },
    { weight: 15, arbitrary: directory },
    { weight: 1, arbitrary: long },
  );
}

/** Globs as the compiler writes them for each kind of object, and patterns of any shape. */
function globs(): fc.Arbitrary<string> {
  const exact = rawPath.map((path) => `${escapeGlob(path)}{,.dpkg-tmp}`);
  const directory = fc
    .tuple(rawPath, fc.constantFrom('{,**}', '{,*}'))
    .map(([path, ending]) => `${escapeGlob(path)}/${ending}`);
  const execname = names.map((name) => `/{,**/}${escapeGlob(name)}{,.dpkg-tmp}`);
  return fc.oneof(rawPath.map(escapeGlob), exact, directory, execname, patterns());
}

function patterns(): fc.Arbitrary<string> {
  const piece = fc.constantFrom(
    ...['a', 'b', '/', '/a/', '*', '**', '/**/', '?', '[ab]', '[^a]', '[a-c]'],
    ...['{a,b}', '{,/b*}', '{a/**,b}', '\\*', 'é', ' '],
  );
  return fc
    .array(piece, { minLength: 1, maxLength: 7 })
    .map((all) => `/${all.join('')}`)
    .filter((glob) => globProblem(glob) === undefined)
    .map((glob) => printGlob(parseGlob(glob)));
}

const effect = fc.constantFrom('deny' as const, 'allow' as const, 'audit' as const);
const rank = fc.constantFrom(0, 4, 7, 5000, 10_000, 15_000, 20_005);
const rule = fc.nat({ max: 40 });

function entries(maxLength: number): fc.Arbitrary<readonly PathEntry[]> {
  const entry = fc.record({
    rule,
    glob: globs(),
    perms: fc.constantFrom('x', 'xm', 'rwlkm', 'wl', 'rkm', 'r'),
    who: fc.constantFrom('any' as const, 'any' as const, 'owner' as const, 'other' as const),
    effect,
    rank,
    unless: fc.option(fc.subarray([...ARGUMENTS]), { nil: undefined }),
  });
  return fc.array(entry.map(onlyOfExec), { maxLength });
}

/** What rules list and programs are given. */
const ARGUMENTS = ['-a', '', 'é', '--long', '--longer'];

function onlyOfExec({ unless, ...entry }: PathEntry): PathEntry {
  return unless === undefined || entry.perms !== 'x' ? entry : { ...entry, unless };
}

/** Arguments for the try of that number: each subset in turn, and one that no rule lists. */
function argumentsOf(number: number): readonly string[] {
  const given = ARGUMENTS.filter((_, at) => (number >> at) & 1);
  return number % 7 === 0 ? [...given, 'x'] : given;
}

/** Cells that rules of generated sets may name: all kinds of sockets, some of AppArmor's cells, some capabilities. */
const CELLS: readonly string[] = [
  ...SOCKET_KINDS.keys(),
  ...['chown', 'net_raw', 'checkpoint_restore'].map((name) => `capability ${name}`),
];

function cells(): fc.Arbitrary<readonly CellEntry[]> {
  const entry = fc.record({ rule, cell: fc.constantFrom(...CELLS), effect, rank });
  return fc.array(entry, { maxLength: 12 });
}

function lists(): fc.Arbitrary<EntrySet['lists']> {
  const list: fc.Arbitrary<AllowList> = fc.oneof(
    fc.record({ posture: fc.constantFrom('audit' as const, 'block' as const), rule }),
    fc.record({ posture: fc.constant('audit' as const), rule, silent: fc.constant(true) }),
  );
  return fc.record(
    { process: list, file: list, network: list, capabilities: list },
    { requiredKeys: [] },
  );
}

/** Subjects as a host has them: everybody, and programs that have the general set and their own. */
function subjects(maxLength = 12): fc.Arbitrary<readonly TableSubject[]> {
  const set = fc.record({ paths: entries(maxLength), cells: cells(), lists: lists() });
  return fc
    .tuple(set, fc.array(set, { maxLength: SOURCES.length }))
    .map(([general, own]) => [
      { sets: [general] },
      ...own.map((one, at) => ({ path: SOURCES[at] ?? '', sets: [general, one] })),
    ]);
}

/** What the table must say where the naive matcher says this. */
function expected({ allowed, entry, list, audits }: Verdict): TableVerdict {
  const watched = audits.length > 0;
  const decidedByList = entry === undefined && list !== undefined;
  const logsUnlisted = decidedByList && list.posture === 'audit' && list.silent !== true;
  return {
    deny: !allowed,
    logged: watched || logsUnlisted,
    ...(entry === undefined ? {} : { rule: entry.rule }),
    ...(watched ? { audit: Math.min(...audits.map(({ rule }) => rule)) } : {}),
    ...(decidedByList ? { list: { posture: list.posture, rule: list.rule } } : {}),
  };
}

/** The subjects without what the table refused. */
function kept(all: readonly TableSubject[], refused: ReadonlySet<number>): readonly TableSubject[] {
  const reduce = (set: EntrySet): EntrySet => ({
    ...set,
    paths: set.paths.filter(({ rule }) => !refused.has(rule)),
  });
  return all.map((subject) => ({ ...subject, sets: subject.sets.map(reduce) }));
}

function deny(rule: number, glob: string, more: Partial<PathEntry> = {}): PathEntry {
  return { rule, glob, perms: 'rwlkm', who: 'any', effect: 'deny', rank: 0, ...more };
}

function everybody(...all: readonly PathEntry[]): readonly TableSubject[] {
  return [{ sets: [{ paths: all, cells: [], lists: {} }] }];
}

describe('the policy table', () => {
  it('says of every path, operation, asker and subject what the naive matcher says', () => {
    let pairs = 0;
    const budgets = fc.constantFrom(undefined, 400, 90);
    const some = fc.array(paths(), { minLength: PATHS, maxLength: PATHS });
    fc.assert(
      fc.property(subjects(), some, budgets, (all, asked, slots) => {
        const { blob, refused } = compileTable(all, { slots });
        const reader = new TableReader(blob);
        const rest = kept(all, new Set(refused.map(({ rule }) => rule)));
        for (const [subject, { sets }] of rest.entries()) {
          const evaluator = new Evaluator(sets);
          for (const path of asked) {
            pairs += 1;
            for (const [letter, asker] of ACCESSES.filter(
              (_, at) => at % STRIDE === pairs % STRIDE,
            )) {
              const args = argumentsOf(pairs);
              const found = reader.path(path, letter, asker, subject, args);
              const verdict = expected(evaluator.path(path, letter, asker, args));
              if (same(found, verdict)) continue;
              const access = { subject, path, letter, asker, args };
              expect({ ...access, ...found }).toEqual({ ...access, ...verdict });
            }
          }
        }
      }),
      { numRuns: RUNS, interruptAfterTimeLimit, markInterruptAsFailure: true },
    );
    expect(pairs).toBeGreaterThan(RUNS * PATHS);
  });

  it('says of every kind of socket and capability what the naive matcher says', () => {
    fc.assert(
      fc.property(subjects(0), (all) => {
        const reader = new TableReader(compileTable(all).blob);
        for (const [subject, { sets }] of all.entries()) {
          const evaluator = new Evaluator(sets);
          for (const cell of CELLS) {
            const capability = cell.startsWith('capability ') ? cell.slice(11) : undefined;
            const found =
              capability === undefined
                ? reader.socket(cell, subject)
                : reader.capability(capability, subject);
            expect({ cell, ...found }).toEqual({ cell, ...expected(evaluator.cell(cell)) });
          }
        }
      }),
      { numRuns: RUNS / 2 },
    );
  });

  it('concerns what it can deny or log, and nothing that it cannot', () => {
    fc.assert(
      fc.property(subjects(4), fc.array(paths(), { maxLength: 20 }), (all, asked) => {
        const reader = new TableReader(compileTable(all).blob);
        for (let subject = 0; subject < all.length; subject++) {
          for (const letter of [...OPERATIONS].filter((one) => !reader.concerns(one, subject))) {
            for (const path of asked) {
              const { deny: denied, logged } = reader.path(path, letter, 'other', subject);
              expect({ path, denied, logged }).toEqual({ path, denied: false, logged: false });
            }
          }
        }
      }),
      { numRuns: RUNS / 2 },
    );
  });

  it('knows a program with rules of its own by its whole path, and nobody else', () => {
    fc.assert(
      fc.property(subjects(), paths(), (all, path) => {
        const reader = new TableReader(compileTable(all).blob);
        for (const [at, source] of SOURCES.entries()) {
          expect(reader.subjectOf(source)).toBe(at + 1 < all.length ? at + 1 : 0);
        }
        expect(reader.subjectOf(path)).toBe(0);
        expect(reader.subjectOf(`${SOURCES[0]}x`)).toBe(0);
      }),
      { numRuns: RUNS / 5 },
    );
  });

  it('has the same bytes for the same rules', () => {
    fc.assert(
      fc.property(subjects(), (all) => {
        const { blob } = compileTable(all);
        expect(Buffer.compare(blob, compileTable(structuredClone(all)).blob)).toBe(0);
      }),
      { numRuns: RUNS / 5 },
    );
  });

  it('finds nothing at all where there are no rules', () => {
    const { blob, figures } = compileTable(everybody());
    expect(figures).toMatchObject({ automata: 0, states: 0, classes: 0 });
    expect(new TableReader(blob).path('/etc/shadow', 'r', 'other')).toEqual({
      deny: false,
      logged: false,
    });
  });

  it('lets an open pass by the automata of rules on programs', () => {
    const program = deny(0, '/{,**/}nc', { perms: 'xm' });
    const reader = new TableReader(compileTable(everybody(program)).blob);
    expect(reader.concerns('r')).toBe(false);
    expect(reader.concerns('m')).toBe(true);
    expect(reader.path('/usr/bin/nc', 'x', 'owner')).toMatchObject({ deny: true, rule: 0 });
  });
});

describe('subjects that have a terminal', () => {
  const block = (glob: string, more: Partial<PathEntry> = {}): EntrySet => ({
    paths: [{ rule: 0, glob, perms: 'x', who: 'any', effect: 'deny', rank: 5000, ...more }],
    cells: [],
    lists: {},
  });
  const general = block('/usr/bin/{,**}', { rank: 9 });
  const { blob, terminals } = compileTable([
    { sets: [general], terminal: [block('/opt/a', { rule: 1 })] },
    {
      path: '/bin/sh',
      sets: [general, block('/opt/c', { rule: 2 })],
      terminal: [
        block('/opt/a', { rule: 1 }),
        block('/usr/bin/id', { rule: 3, effect: 'allow', rank: 15_000 }),
      ],
    },
  ]);
  const reader = new TableReader(blob);
  const denied = (path: string, program: string, hasTerminal: boolean): boolean =>
    reader.path(path, 'x', 'other', reader.subjectOf(program, hasTerminal)).deny;

  it('have the rules of their program and those that ask for a terminal', () => {
    const each = (path: string): readonly boolean[] =>
      ['/bin/cat', '/bin/sh'].flatMap((program) => [
        denied(path, program, false),
        denied(path, program, true),
      ]);
    expect(each('/opt/a')).toEqual([false, true, false, true]);
    expect(each('/opt/c')).toEqual([false, false, true, true]);
    expect(each('/usr/bin/id')).toEqual([true, true, true, false]);
    expect(terminals).toBe(2);
  });

  it('are not there where no rule asks', () => {
    const plain = compileTable([{ sets: [general] }]);
    expect([plain.terminals, new TableReader(plain.blob).subjects]).toEqual([0, 1]);
  });
});

describe('directories above what is blocked', () => {
  const above = (all: readonly TableSubject[]): TableReader =>
    new TableReader(compileTable(all).blob);

  it('are not mounted over nor moved, from the root on', () => {
    const reader = above(everybody(deny(3, '/srv/app/key{,.dpkg-tmp}')));
    for (const directory of ['/srv/', '/srv/app/']) {
      expect(reader.path(directory, 'o', 'owner')).toMatchObject({ deny: true, rule: 3 });
      expect(reader.moved(directory, '/elsewhere/')).toMatchObject({ deny: true, rule: 3 });
      expect(reader.path(directory, 'w', 'owner').deny).toBe(false);
    }
    expect(reader.path('/', 'o', 'owner').deny).toBe(true);
    expect(reader.path('/srv/other/', 'o', 'owner').deny).toBe(false);
    expect(reader.moved('/srv/other/', '/elsewhere/').deny).toBe(false);
  });

  it('of a pattern may be moved to where it holds too, and mounted over', () => {
    const reader = above(everybody(deny(0, '/home/**/.ssh/id_*')));
    expect(reader.moved('/home/u/a/', '/home/u/b/').deny).toBe(false);
    expect(reader.moved('/home/u/.ssh/', '/home/v/.ssh/').deny).toBe(false);
    expect(reader.moved('/home/u/.ssh/', '/home/u/ssh/').deny).toBe(true);
    expect(reader.moved('/home/u/', '/opt/u/').deny).toBe(true);
    expect(reader.path('/home/u/', 'o', 'owner').deny).toBe(false);
    expect(reader.path('/home/', 'o', 'owner').deny).toBe(true);
  });

  it('of a name alone are moved as one likes', () => {
    const reader = above(everybody(deny(0, '/{,**/}nc{,.dpkg-tmp}', { perms: 'xm' })));
    expect(reader.moved('/usr/local/', '/opt/').deny).toBe(false);
    expect(reader.path('/usr/', 'o', 'owner').deny).toBe(false);
  });

  it('bind whom the rule binds, and an Allow below does not free them', () => {
    const set = (...all: readonly PathEntry[]): EntrySet => ({ paths: all, cells: [], lists: {} });
    const general = set(deny(0, '/a/{,**}'), deny(1, '/a/b/{,**}', { effect: 'allow', rank: 9 }));
    const reader = above([
      { sets: [general] },
      { path: '/usr/bin/a', sets: [general, set(deny(2, '/x/y'))] },
    ]);
    expect(reader.path('/a/', 'o', 'other')).toMatchObject({ deny: true, rule: 0 });
    expect([0, 1].map((subject) => reader.moved('/x/', '/z/', subject).deny)).toEqual([
      false,
      true,
    ]);
  });

  it('never take what is blocked below to where that rule does not hold', () => {
    const directories = rawPath.map((path) => `${path}/`);
    fc.assert(
      fc.property(
        entries(8).map((all) => all.filter(({ glob }) => glob.split('**').length <= 2)),
        fc.array(fc.tuple(directories, directories, paths()), { minLength: 20, maxLength: 20 }),
        (all, moves) => {
          const reader = above(everybody(...all));
          const denied = all.filter(({ effect: one }) => one === 'deny');
          const matches = denied.map(({ glob }) => compileGlob(glob));
          for (const [from, to, path] of moves) {
            const below = path.slice(1);
            const escapes = matches.some(
              (match) => match(from + below) && !match(from) && !match(to + below),
            );
            if (escapes && below !== '') {
              expect({ from, to, below, denied: reader.moved(from, to).deny }).toEqual({
                ...{ from, to, below },
                denied: true,
              });
            }
          }
        },
      ),
      { numRuns: RUNS },
    );
  });
});

/** Pattern number n of those that multiply: two texts with `**` between and around them. */
function multiplying(count: number): readonly PathEntry[] {
  return Array.from({ length: count }, (_, at) => deny(at, `/**/from${at}/**/to${at}`));
}

describe('what a table has no room for', () => {
  it('does not explode over 12 patterns with two `**` each', () => {
    const { refused, figures } = compileTable(everybody(...multiplying(12)));
    expect(refused).toEqual([]);
    expect(figures.automata).toBeLessThanOrEqual(3);
    expect(figures.bytes).toBeLessThan(1 << 20);
  });

  it('names the patterns that no automaton is left for, and holds all others', () => {
    const all = multiplying(120);
    const { blob, refused } = compileTable(everybody(...all), { slots: 4000 });
    const names = new Set(refused.map(({ rule }) => rule));
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]?.reason).toMatch(/more than 8 automata/);
    const reader = new TableReader(blob);
    for (const { rule } of all) {
      const { deny: denied } = reader.path(`/x/from${rule}/y/z/to${rule}`, 'r', 'other');
      expect({ rule, denied }).toEqual({ rule, denied: !names.has(rule) });
    }
  });

  it('refuses no list for what it opens besides', () => {
    const many = Array.from({ length: 200 }, (_, at) =>
      deny(
        at,
        `/data/${at}-${String(at * 7919)
          .repeat(60)
          .slice(0, 60)}/*x`,
      ),
    );
    const needed = { ...deny(200, '/proc/*/stat'), effect: 'allow', rank: IMPLIED } as const;
    const { blob, refused } = compileTable(everybody(...many, needed), { slots: 3000 });
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.map(({ rule }) => rule)).not.toContain(200);
    expect(new TableReader(blob).path('/proc/1/stat', 'r', 'other').rule).toBe(200);
  });

  it('names a pattern that is too large by itself, and what cannot be read as one', () => {
    const { refused } = compileTable(
      everybody(deny(0, '/a'), deny(1, `/${'{a*b,b*a}'.repeat(12)}`), deny(2, '/a[')),
      { slots: 500 },
    );
    expect(refused.map(({ rule }) => rule)).toEqual([1, 2]);
    expect(refused[0]?.reason).toMatch(/alone needs/);
    expect(refused[1]?.reason).toMatch(/bracket/);
  });

  it('refuses the last rules where memory ends, whole rules only', () => {
    const many = Array.from({ length: 6000 }, (_, at) =>
      deny(at >> 1, `/data/${at}/${((at + 1) * 7919).toString(36).repeat(4)}`),
    );
    const { blob, refused } = compileTable(everybody(...many), { maxBytes: 1 << 18 });
    expect(blob.length).toBe(1 << 18);
    const first = refused[0]?.rule ?? 0;
    expect(refused.map(({ rule }) => rule)).toEqual(
      Array.from({ length: 3000 - first }, (_, at) => first + at),
    );
    const reader = new TableReader(blob);
    const inTable = (at: number): boolean => reader.path(many[at]?.glob ?? '', 'r', 'other').deny;
    expect([inTable(2 * first - 1), inTable(2 * first), inTable(2 * first + 1)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('holds ten thousand paths, each in a directory of its own, and 200 patterns in 6 MiB', () => {
    const exact = Array.from({ length: 10_000 }, (_, at) =>
      deny(at, `/usr/lib/pkg${at % 300}/part${(at * 7919) % 10_007}/file${at}.so`),
    );
    const patterns = Array.from({ length: 200 }, (_, at) =>
      deny(
        10_000 + at,
        [`/home/u${at}/**/.ssh/id_*`, `/**/app${at}/*.conf`, `/opt/s${at}/**`][at % 3] ?? '',
      ),
    );
    const { blob, refused, figures } = compileTable(everybody(...exact, ...patterns));
    expect(refused).toEqual([]);
    expect(figures.bytes).toBeLessThanOrEqual(6 << 20);
    const reader = new TableReader(blob);
    expect(reader.path(exact[4711]?.glob ?? '', 'w', 'owner').rule).toBe(4711);
    expect(reader.path('/x/y/app1/z.conf', 'w', 'owner').rule).toBe(10_001);
  });
});

describe('bytes that are not a table', () => {
  it.each([
    ['a short one', (_: Uint8Array) => new Uint8Array(16), 'header'],
    ['another magic', (blob: Uint8Array) => blob.fill(1, 0, 4), 'not a policy table'],
    ['another version', (blob: Uint8Array) => blob.fill(9, 4, 8), 'version'],
    ['a cut one', (blob: Uint8Array) => blob.subarray(0, 4096), 'cut'],
  ])('are refused: %s', (_, change, words) => {
    const { blob } = compileTable(everybody());
    expect(() => new TableReader(change(blob))).toThrow(TableError);
    expect(() => new TableReader(change(blob))).toThrow(words);
  });
});

function same(a: TableVerdict, b: TableVerdict): boolean {
  return (
    a.deny === b.deny &&
    a.logged === b.logged &&
    a.rule === b.rule &&
    a.audit === b.audit &&
    a.list?.posture === b.list?.posture &&
    a.list?.rule === b.list?.rule
  );
}
