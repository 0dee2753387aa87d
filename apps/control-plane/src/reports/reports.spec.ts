import { describe, expect, it } from '@jest/globals';
import { limits } from '#bundle';
import { MAX_RULES_PER_POLICY, type NodeReport } from '#contracts';
import { parseReport } from './parse-report.js';
import { freshnessOf } from './freshness.js';
import { ReportCache } from './report-cache.js';
import { ShapeError } from '../http/shape.js';
import { heapGrowthMiB } from '../testing/heap-growth.js';

const NODE = 'b'.repeat(64);
const good: NodeReport = {
  v: 1,
  nodeId: NODE,
  sequence: 1,
  bootedAt: '2026-03-01T11:00:00.000Z',
  asOf: '2026-03-01T12:00:00.000Z',
  enforcer: 'observe',
  applied: { epoch: '1', generation: '4', issuedAt: 5, bundleDigest: 'a'.repeat(64) },
  conditions: ['stale'],
  drift: [{ what: 'profile', detectedAt: '2026-03-01T12:00:00.000Z' }],
  policies: [{ policy: 'p', revision: '4', rules: [{ id: 'r', state: 'enforced' }] }],
  host: { hostname: 'h', kernel: 'k', lsm: [] },
  versions: { agent: '1', sensor: '1' },
  losses: { audit: 0, spool: 0 },
};
const signedStatus = {
  payloadType: 'application/vnd.hostward.signed-status+json',
  payload: 'A'.repeat(1_398_104),
  signatures: [{ keyid: NODE, sig: `${'A'.repeat(86)}==` }],
};
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

describe('a report of a host', () => {
  it('is read as it is', () => {
    expect(parseReport(bytes(good), NODE)).toEqual(good);
    const signed = { ...good, heads: ['1f'.repeat(16)] };
    expect(parseReport(bytes(signed), NODE)).toEqual(signed);
    const riding = { ...good, signedStatus };
    expect(parseReport(bytes(riding), NODE)).toEqual(riding);
    const byPathAlone = 'there is no room for 3 of the names';
    const covered = { confinedProcesses: 1, uncoveredProcesses: 0, uncovered: [], byPathAlone };
    const partly = { ...good, coverage: covered };
    expect(parseReport(bytes(partly), NODE)).toEqual(partly);
  });

  it.each<[string, unknown]>([
    ['of another host', { ...good, nodeId: 'c'.repeat(64) }],
    ['of another version', { ...good, v: 2 }],
    ['with a field nobody knows', { ...good, admin: true }],
    [
      'with a state nobody knows',
      { ...good, policies: [{ policy: 'p', revision: '4', rules: [{ id: 'r', state: 'fine' }] }] },
    ],
    [
      'with a generation that is no number',
      { ...good, applied: { ...good.applied, generation: '-1' } },
    ],
    [
      'that has seen half an assignment version',
      { ...good, seen: { epoch: '1', generation: '4' } },
    ],
    ['that promises the next one too late', { ...good, nextWithinMs: 60_001 }],
    ['that promises the next one sooner than any must', { ...good, nextWithinMs: 9_999 }],
    ['with a negative count', { ...good, losses: { audit: -1, spool: 0 } }],
    ['with a date that is none', { ...good, asOf: 'yesterday' }],
    ['with too many drifts', { ...good, drift: Array(101).fill(good.drift[0]) }],
    ['with a missing part', { ...good, host: undefined }],
    ['with a name that no head has', { ...good, heads: ['1F'.repeat(16)] }],
    ['with more heads than a host keeps', { ...good, heads: Array(7).fill('1f'.repeat(16)) }],
    ['with a signed status that is a list', { ...good, signedStatus: [{}] }],
    [
      'with a signed status that has more members',
      { ...good, signedStatus: { ...signedStatus, more: 1 } },
    ],
    [
      'with a signed status that is too long',
      { ...good, signedStatus: { ...signedStatus, payload: 'A'.repeat(1_398_105) } },
    ],
    [
      'with a signed status of too many signatures',
      {
        ...good,
        signedStatus: { ...signedStatus, signatures: Array(17).fill(signedStatus.signatures[0]) },
      },
    ],
    [
      'with a long signature',
      {
        ...good,
        signedStatus: { ...signedStatus, signatures: [{ keyid: NODE, sig: 'A'.repeat(1_000) }] },
      },
    ],
    ['that is a list', []],
    ['that is null', null],
  ])('%s is refused', (_title, value) => {
    expect(() => parseReport(bytes(value), NODE)).toThrow(ShapeError);
  });

  it('has as many policies as a bundle, and all rules of a policy', () => {
    const rules = (count: number) =>
      Array.from({ length: count }, (_, at) => ({ id: `r${at}`, state: 'enforced' }) as const);
    const one = { policy: 'large', revision: '4', rules: rules(MAX_RULES_PER_POLICY) };
    const policies = Array.from({ length: limits.policiesPerBundle - 1 }, (_, at) => ({
      policy: `p${at}`,
      revision: '4',
      rules: rules(1),
    }));
    const large = { ...good, policies: [one, ...policies] };
    expect(parseReport(bytes(large), NODE)).toEqual(large);
  });

  it('that is no JSON is refused', () => {
    expect(() => parseReport(new Uint8Array([0xff, 0xfe]), NODE)).toThrow(ShapeError);
  });
});

describe('what hosts say alike', () => {
  const other = 'c'.repeat(64);
  const alike = (policies = good.policies) => [
    parseReport(bytes({ ...good, policies }), NODE),
    parseReport(bytes({ ...good, policies, nodeId: other, sequence: 2 }), other),
  ];

  it('is in memory once', () => {
    const [first, second] = alike();
    expect(second).toEqual({ ...good, nodeId: other, sequence: 2 });
    for (const part of ['policies', 'applied', 'versions', 'losses'] as const)
      expect(second?.[part]).toBe(first?.[part]);
  });

  it('is refused each time where it is wrong', () => {
    const wrong = [{ policy: 'p', revision: '4', rules: [{ id: 'r', state: 'fine' }] }];
    for (const _again of [1, 2])
      expect(() => parseReport(bytes({ ...good, policies: wrong }), NODE)).toThrow(ShapeError);
  });

  it('is remembered up to a bound, whatever hosts make up', () => {
    const [before] = alike();
    const reason = 'x'.repeat(1_900);
    for (let made = 0; made < 600; made += 1) {
      const policies = [
        { policy: `p${made}`, revision: '4', rules: [{ id: 'r', state: 'failed', reason }] },
      ] as const;
      expect(parseReport(bytes({ ...good, policies }), NODE).policies).toEqual(policies);
    }
    const [after] = alike();
    expect(after?.policies).toEqual(before?.policies);
    expect(after?.policies).not.toBe(before?.policies);
  });
});

describe('who suspended a host', () => {
  it.each(['console', 'control-plane', 'boot-guard'])('may be %s', (by) => {
    const suspension = { mode: 'audit', until: good.asOf, reason: 'r', by };
    expect(parseReport(bytes({ ...good, suspension }), NODE)).toMatchObject({ suspension });
  });
});

describe('the cache of reports', () => {
  it('keeps the newest of a host, by start of the agent and then by sequence', () => {
    const cache = new ReportCache();
    expect(cache.put({ ...good, sequence: 5 }, 1)).toBe(true);
    expect(cache.put({ ...good, sequence: 4 }, 2)).toBe(false);
    expect(cache.put({ ...good, sequence: 5 }, 3)).toBe(false);
    expect(cache.put({ ...good, sequence: 0, bootedAt: '2026-03-01T11:00:01.000Z' }, 4)).toBe(true);
    expect(cache.put({ ...good, sequence: 99 }, 5)).toBe(false);
    expect(cache.get(NODE)?.receivedAtMs).toBe(4);
  });
});

describe('what the cache says of generations', () => {
  it('is whether any host ever named a later one of that epoch', () => {
    const cache = new ReportCache();
    expect(cache.mayBeAhead('1', 0n)).toBe(false);
    cache.put(good, 1);
    expect([cache.mayBeAhead('1', 3n), cache.mayBeAhead('1', 4n)]).toEqual([true, false]);
    cache.remove(NODE);
    expect(cache.mayBeAhead('1', 3n)).toBe(true);
    expect(cache.mayBeAhead('2', 0n)).toBe(false);
  });

  it('is known of an epoch that is new, of all reports that came before', () => {
    const cache = new ReportCache();
    expect(cache.mayBeAhead('1', 0n)).toBe(false);
    const applied = { epoch: '2', generation: '7', issuedAt: 5, bundleDigest: '' };
    cache.put({ ...good, applied }, 1);
    expect([cache.mayBeAhead('2', 6n), cache.mayBeAhead('2', 7n)]).toEqual([true, false]);
    cache.put({ ...good, sequence: 2, applied: { ...applied, generation: '8' } }, 2);
    expect(cache.mayBeAhead('2', 7n)).toBe(true);
  });

  it('takes no room for epochs that a host makes up', async () => {
    const cache = new ReportCache();
    const makeUp = () => {
      for (let sequence = 1; sequence <= 200_000; sequence += 1) {
        const applied = { epoch: `9${sequence}`, generation: '1', issuedAt: 1, bundleDigest: '' };
        cache.put({ ...good, sequence, applied }, 1);
      }
      return cache;
    };
    expect(await heapGrowthMiB(makeUp)).toBeLessThan(4);
  });
});

describe('the age of a report', () => {
  const at = (iso: string): number => Date.parse(iso);
  const NOON = at('2026-03-01T12:00:00.000Z');

  it('counts from its own time too: what lay on Redis when we started proves nothing', () => {
    const held = { report: good, receivedAtMs: NOON + 120_000 };
    expect(freshnessOf(held, NOON + 120_000)).toMatchObject({ fresh: false });
  });

  it('does not grow younger when reports are played back one after another, minutes late', () => {
    const cache = new ReportCache();
    const late = [1, 2, 3].map((sequence) => {
      const asOf = new Date(NOON + sequence * 10_000).toISOString();
      cache.put({ ...good, sequence, asOf }, NOON + 120_000 + sequence * 10_000);
      return freshnessOf(cache.get(NODE), NOON + 120_000 + sequence * 10_000).fresh;
    });
    expect(late).toEqual([false, false, false]);
  });

  it('is unknown while our own clock has gone back behind it', () => {
    expect(freshnessOf({ report: good, receivedAtMs: NOON }, NOON - 60_000).fresh).toBe(false);
  });

  it('lets a host back whose clock was set back, once its newer-looking report is stale', () => {
    const cache = new ReportCache();
    cache.put({ ...good, bootedAt: '2027-03-01T11:00:00.000Z', sequence: 9 }, NOON);
    const now = NOON + 40_000;
    const again = { ...good, sequence: 0, asOf: new Date(now).toISOString() };
    expect(cache.put(again, NOON + 10_000)).toBe(false);
    expect(cache.put(again, now)).toBe(true);
  });

  it('is as great as the host said that the next one takes, and no greater', () => {
    const rare = { ...good, nextWithinMs: 60_000 };
    const fresh = (report: NodeReport, agoMs: number) =>
      freshnessOf({ report, receivedAtMs: NOON }, NOON + agoMs).fresh;
    expect([fresh(good, 35_000), fresh(good, 35_001)]).toEqual([true, false]);
    expect([fresh(rare, 185_000), fresh(rare, 185_001)]).toEqual([true, false]);
    const held = { report: rare, receivedAtMs: NOON + 100_000 };
    expect([
      freshnessOf(held, NOON + 215_000).fresh,
      freshnessOf(held, NOON + 215_001).fresh,
    ]).toEqual([true, false]);
  });

  it('is not renewed by the same report again', () => {
    const cache = new ReportCache();
    cache.put(good, NOON);
    expect(cache.put(good, NOON + 36_000)).toBe(false);
    expect(freshnessOf(cache.get(NODE), NOON + 36_000).fresh).toBe(false);
  });
});
