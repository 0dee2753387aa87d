import { describe, expect, it } from '@jest/globals';
import type { NodeReport } from '#contracts';
import type { CloneMark } from '../records/node.record.js';
import { CloneWatch } from './clone-watch.js';

const NODE = 'b'.repeat(64);
const START_MS = Date.parse('2026-03-01T12:00:00.000Z');

/** One report: which run, which number, and when by our clock in seconds; `clock` is how far the host's is ahead. */
interface Seen {
  readonly run: string;
  readonly sequence: number;
  readonly at: number;
  /** When it was written, where that is not when it came: somebody held it back. */
  readonly written?: number;
  readonly clock?: number;
}

/** When each run's agent started, in seconds; `C` is a running copy of `A`, memory and all. */
const BOOTED: Readonly<Record<string, number>> = { A: -600, B: 5, C: -600, D: 40, E: 60, F: 80 };

const iso = (seconds: number): string => new Date(START_MS + seconds * 1_000).toISOString();

function report({ run, sequence, at, written = at, clock = 0 }: Seen): NodeReport {
  return {
    v: 1,
    nodeId: NODE,
    sequence,
    bootedAt: iso(BOOTED[run] ?? 0),
    asOf: iso(written + clock),
    enforcer: 'none',
    conditions: [],
    drift: [],
    policies: [],
    host: { hostname: `host-${run}`, kernel: '', lsm: [] },
    versions: { agent: '', sensor: '' },
    losses: { audit: 0, spool: 0 },
  };
}

/** `A1 B1 A2`, five seconds apart from 10 s on; the same one again is the same report. */
function sequence(text: string): readonly Seen[] {
  const words = text.split(' ');
  return words.map((word, index) => ({
    run: word.charAt(0),
    sequence: Number(word.slice(1)),
    at: 10 + index * 5,
    written: 10 + words.indexOf(word) * 5,
  }));
}

function watchAll(seen: readonly Seen[], watch = new CloneWatch()): CloneMark | undefined {
  let mark: CloneMark | undefined;
  for (const each of seen)
    mark ??= watch.take(report(each), START_MS + each.at * 1_000, undefined).found;
  return mark;
}

describe('a copied identity', () => {
  it('is told in words that the audit log can hold, whatever the copy calls itself', () => {
    const odd = (each: Seen): NodeReport => {
      const whole = report(each);
      return { ...whole, host: { ...whole.host, hostname: '\ud800' } };
    };
    const watch = new CloneWatch();
    const found = sequence('A1 B1 A2 B2 A3').flatMap(
      (each) => watch.take(odd(each), START_MS + each.at * 1_000, undefined).found ?? [],
    );
    expect(found[0]?.reason).toMatch(/^two machines report/);
    expect(found[0]?.reason.isWellFormed()).toBe(true);
  });

  it.each<[string, string]>([
    ['two agents that report in turn', 'A1 B1 A2 B2 A3 B3'],
    ['two that report unevenly', 'A1 A2 A3 B1 A4 A5 B2 B3 A6 A7'],
    ['a running copy, memory and all', 'A100 C51 A101 C52 A102 C53'],
    ['a running copy of the same moment', 'A10 C10 A11 C11 A12 C12 A13'],
    ['three machines', 'A1 B1 D1 A2 B2 D2 A3 B3'],
  ])('is found: %s', (_title, text) => {
    const seen = text.includes('C10')
      ? sequence(text).map((each) => ({ ...each, clock: each.run === 'C' ? 0.5 : 0 }))
      : sequence(text);
    expect(watchAll(seen)).toMatchObject({ kept: { bootedAt: iso(-600) } });
  });

  it.each<[string, readonly Seen[]]>([
    ['one agent', sequence('A1 A2 A3 A4 A5')],
    ['an agent that is started anew', sequence('A1 A2 B1 B2 B3')],
    ['an agent that is started again and again', sequence('A9 B1 D1 E1 F1 F2')],
    ['the same report read many times, also after FLUSHALL', sequence('A1 A1 A1 A2 A2 A1 A2')],
    ['a running snapshot that is restored', sequence('A100 A101 A51 A52 A53 A54')],
    [
      'a clock that is set back',
      sequence('A1 A2').concat([{ run: 'A', sequence: 3, at: 20, clock: -4_000 }]),
    ],
    [
      'a clock that is set forward',
      sequence('A1 A2').concat([{ run: 'A', sequence: 3, at: 20, clock: 4_000 }]),
    ],
    [
      'reports of before a restart, which the owner of Redis held back and plays in turn',
      [
        ...sequence('A1 B1'),
        { run: 'A', sequence: 2, at: 20, written: 3 },
        { run: 'B', sequence: 2, at: 25 },
        { run: 'A', sequence: 3, at: 30, written: 4 },
        { run: 'B', sequence: 3, at: 35 },
        { run: 'A', sequence: 4, at: 40, written: 4.5 },
      ],
    ],
    [
      'reports of one run, which the owner of Redis held back and plays in turn',
      [
        ...sequence('A50'),
        { run: 'A', sequence: 20, at: 20, written: 1 },
        { run: 'A', sequence: 51, at: 25 },
        { run: 'A', sequence: 21, at: 30, written: 2 },
        { run: 'A', sequence: 52, at: 35 },
        { run: 'A', sequence: 22, at: 40, written: 3 },
      ],
    ],
  ])('is not seen in %s', (_title, seen) => {
    expect(watchAll(seen)).toBeUndefined();
  });

  it('is not seen in a snapshot that is restored twice within minutes', () => {
    expect(watchAll(sequence('A100 A51 A52 A53 A30 A31 A32'))).toBeUndefined();
  });
});

describe('an identity that may be a copied one', () => {
  const suspected = (watch: CloneWatch, at: number) => watch.suspects(START_MS + at * 1_000);

  it('is looked at closely for five minutes from the moment on that another run speaks', () => {
    const watch = new CloneWatch();
    watchAll(sequence('A1 A2'), watch);
    expect(suspected(watch, 15)).toEqual([]);
    watchAll([{ run: 'B', sequence: 1, at: 20 }], watch);
    expect(suspected(watch, 20)).toEqual([NODE]);
    watchAll([{ run: 'A', sequence: 3, at: 50 }], watch);
    expect(suspected(watch, 350)).toEqual([NODE]);
    expect(suspected(watch, 351)).toEqual([]);
  });

  it('is none where the run of before had fallen silent, nor one that is gone', () => {
    const watch = new CloneWatch();
    watchAll([...sequence('A1'), { run: 'B', sequence: 1, at: 100 }], watch);
    expect(suspected(watch, 100)).toEqual([]);
    watchAll([{ run: 'D', sequence: 1, at: 105 }], watch);
    expect(suspected(watch, 105)).toEqual([NODE]);
    watch.forget(NODE);
    expect(suspected(watch, 105)).toEqual([]);
  });
});

describe('a marked identity', () => {
  const found = sequence('A1 B1 A2 B2 A3 B3');
  function marked() {
    const watch = new CloneWatch();
    const mark = watchAll(found, watch);
    if (!mark) throw new Error('not found');
    const take = (seen: Seen, of: CloneMark | undefined = mark): boolean =>
      watch.take(report(seen), START_MS + seen.at * 1_000, of).counts;
    return { watch, mark, take };
  }

  it('counts where it was seen first, and names both machines', () => {
    const { take, mark } = marked();
    expect(take({ run: 'B', sequence: 9, at: 50 })).toBe(false);
    expect(take({ run: 'A', sequence: 9, at: 55 })).toBe(true);
    expect(mark.reason).toMatch(/host-A \(agent started .*seen first, and host-B \(agent started/);
  });

  it('goes on counting there after a start of the control plane, which has seen nothing', () => {
    const { mark } = marked();
    const watch = new CloneWatch();
    const take = (seen: Seen) => watch.take(report(seen), START_MS + seen.at * 1_000, mark).counts;
    expect(take({ run: 'B', sequence: 9, at: 60 })).toBe(false);
    expect(take({ run: 'A', sequence: 9, at: 65 })).toBe(true);
  });

  it('counts with its events as with its reports, of those only whose reports were seen', () => {
    const { watch, mark } = marked();
    const kept = (run: string, sequence: number, of = watch): boolean =>
      of.isKept(NODE, { bootedAt: iso(BOOTED[run] ?? 0), sequence }, START_MS + 60_000, mark);
    expect([kept('A', 3), kept('A', 9), kept('B', 3), kept('E', 1)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
    const anew = new CloneWatch();
    expect([kept('A', 3, anew), kept('B', 3, anew)]).toEqual([true, false]);
  });

  it('counts where another replica has found it first, whatever this one has seen', () => {
    const { mark } = marked();
    const watch = new CloneWatch();
    watch.take(report({ run: 'B', sequence: 3, at: 35 }), START_MS + 35_000, undefined);
    const take = (seen: Seen) => watch.take(report(seen), START_MS + seen.at * 1_000, mark).counts;
    expect(take({ run: 'B', sequence: 4, at: 45 })).toBe(false);
    expect(take({ run: 'A', sequence: 4, at: 50 })).toBe(true);
  });

  it('counts where the replica says whose mark was written, where both found it at once', () => {
    const { mark } = marked();
    const watch = new CloneWatch();
    const other = watchAll(sequence('B1 A1 B2 A2 B3 A3'), watch);
    expect(other?.kept).not.toEqual(mark.kept);
    const take = (seen: Seen) => watch.take(report(seen), START_MS + seen.at * 1_000, mark).counts;
    expect(take({ run: 'B', sequence: 9, at: 50 })).toBe(false);
    expect(take({ run: 'A', sequence: 9, at: 55 })).toBe(true);
  });

  it('tells the events of a running copy apart, memory and all, by the reports that are nearest', () => {
    const watch = new CloneWatch();
    const mark = watchAll(sequence('A100 C51 A101 C52 A102 C53'), watch);
    if (!mark) throw new Error('not found');
    const kept = (number: number): boolean =>
      watch.isKept(NODE, { bootedAt: iso(-600), sequence: number }, START_MS + 60_000, mark);
    expect([kept(102), kept(104), kept(53), kept(50)]).toEqual([true, true, false, false]);
  });

  it('goes on counting there after that agent was started anew, not on the copy', () => {
    const { take } = marked();
    take({ run: 'A', sequence: 9, at: 45 });
    for (const at of [50, 60, 70, 80, 90]) {
      const sequenceNumber = at;
      expect(take({ run: 'B', sequence: sequenceNumber, at })).toBe(false);
      take({ run: 'E', sequence: sequenceNumber, at: at + 2 });
    }
    expect(take({ run: 'E', sequence: 100, at: 100 })).toBe(true);
    expect(take({ run: 'B', sequence: 100, at: 105 })).toBe(false);
  });

  it('is one machine again when all others were silent for five minutes, and whichever is left counts then', () => {
    const { watch, take } = marked();
    for (let at = 50; at < 330; at += 10) {
      take({ run: 'B', sequence: at, at });
      expect(watch.isQuiet(NODE, START_MS + at * 1_000)).toBe(false);
    }
    take({ run: 'B', sequence: 400, at: 400 });
    expect(watch.isQuiet(NODE, START_MS + 400_000)).toBe(true);
    const again = report({ run: 'B', sequence: 401, at: 410 });
    expect(watch.take(again, START_MS + 410_000, undefined).counts).toBe(true);
  });
});
