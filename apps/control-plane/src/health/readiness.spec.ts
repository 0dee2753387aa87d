import { describe, expect, it } from '@jest/globals';
import { knowsWholeFleet, readiness, type Vitals } from './readiness.js';

const well: Vitals = {
  watch: { connected: true, lastProgressAt: 100_000, revision: 7n, reconnects: 0, snapshots: 1 },
  fleetRevision: 7n,
  redis: { ok: true, detail: 'connected' },
  alerts: { ok: true, detail: 'stored' },
  auditLog: { ok: true, detail: 'stored' },
  etcdWrites: { ok: true, detail: 'room' },
  store: { ok: true, detail: 'one' },
  waiting: 0,
  unreadable: [],
  nowMs: 100_000,
};

describe('readiness', () => {
  it('is given when everything is there', () => {
    expect(readiness(well).ready).toBe(true);
  });

  it.each<[string, Partial<Vitals>, string]>([
    ['etcd was never read', { fleetRevision: 0n }, 'not read yet'],
    [
      'the watch is cut',
      { watch: { ...well.watch, connected: false, lastError: 'refused' } },
      'refused',
    ],
    ['the watch lags', { nowMs: 116_000 }, 'lags: nothing heard for 16 s'],
    ['Redis is away', { redis: { ok: false, detail: 'refused' } }, 'refused'],
    [
      'the audit log cannot be stored',
      { auditLog: { ok: false, detail: 'no entry can be stored' } },
      'no entry can be stored',
    ],
    [
      'alerts cannot be stored',
      { alerts: { ok: false, detail: 'disk is full' } },
      'disk is full; alerts wait',
    ],
    ['etcd is full', { etcdWrites: { ok: false, detail: 'NOSPACE' } }, 'NOSPACE'],
    ['a record cannot be read', { unreadable: ['/hostward/v1/policy/x'] }, '/hostward/v1/policy/x'],
  ])('is not given when %s, and says so', (_title, over, words) => {
    const { ready, checks } = readiness({ ...well, ...over });
    expect(ready).toBe(false);
    expect(
      checks
        .filter(({ ok }) => !ok)
        .map(({ detail }) => detail)
        .join(),
    ).toContain(words);
  });

  it('is given while a Redis beside the main one is away, and says so', () => {
    const { ready, checks } = readiness({ ...well, redisShards: { ok: false, detail: 'b: away' } });
    expect(ready).toBe(true);
    expect(checks).toContainEqual({ name: 'redis-shards', ok: false, detail: 'b: away' });
    expect(readiness(well).checks.map(({ name }) => name)).not.toContain('redis-shards');
  });

  it('is given while control planes have stores apart, and says so', () => {
    const store = { ok: false, detail: 'files' };
    const { ready, checks } = readiness({ ...well, store });
    expect(ready).toBe(true);
    expect(checks).toContainEqual({ name: 'store', ...store });
  });

  it('is given while hosts wait for an assignment', () => {
    expect(readiness({ ...well, waiting: 500 }).ready).toBe(true);
  });
});

describe('what is known of the fleet', () => {
  it('is the whole while the watch is heard of, also over a short cut', () => {
    const cut = { ...well.watch, connected: false };
    expect(knowsWholeFleet({ ...well, watch: cut, nowMs: 115_000 })).toBe(true);
  });

  it('may be less when the watch is silent or a record cannot be read', () => {
    expect(knowsWholeFleet({ ...well, nowMs: 115_001 })).toBe(false);
    expect(knowsWholeFleet({ ...well, unreadable: ['/hostward/v1/node/x'] })).toBe(false);
  });
});
