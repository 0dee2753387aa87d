import { describe, expect, it } from '@jest/globals';
import type { AuthoredPolicy, HostSignedStatus } from '#bundle';
import { problemsOf, type Expectation } from './judge-signed-status.js';
import { pinOf } from './known-hosts.js';

const NOW = 1_800_000_000_000;
const DIGEST = 'd'.repeat(64);
const signedStatus: HostSignedStatus = {
  ...({ v: 1, nodeId: 'a'.repeat(64), bootedAt: 5, sequence: 9, rootVersion: 2 } as const),
  ...{ at: NOW - 1_000, asOf: NOW - 2_000, conditions: [], auditLog: [] },
  ...({ enforcer: 'apparmor', mode: 'enforce' } as const),
  policies: [
    {
      name: 'block',
      document: { version: 3, digest: DIGEST },
      states: { enforced: 2, audited: 1 },
    },
  ],
};
const expected: Expectation = { now: NOW, maxAgeMs: 900_000, rootVersion: 2 };
const signed = (over: Partial<AuthoredPolicy> = {}): Expectation['wanted'] => ({
  suspended: false,
  policies: [
    {
      ...{ name: 'block', version: 3, revision: '0', digest: DIGEST, document: {}, authors: [] },
      ...over,
    },
  ],
});
const judge = (over: Partial<HostSignedStatus> = {}, more: Partial<Expectation> = {}) =>
  problemsOf({ ...signedStatus, ...over }, { ...expected, ...more });

describe('a signed status', () => {
  it('says that all is as it should be', () => {
    expect(judge()).toEqual([]);
    expect(judge({}, { wanted: signed(), seen: { bootedAt: 5, sequence: 9 } })).toEqual([]);
  });

  it.each<[string, Partial<HostSignedStatus>, Partial<Expectation>]>([
    ['played back', {}, { seen: { bootedAt: 5, sequence: 10 } }],
    ['played back', { sequence: 99 }, { seen: { bootedAt: 6, sequence: 1 } }],
    ['signed 3600 s ago', { at: NOW - 3_600_000, asOf: NOW - 3_600_000 }, {}],
    ["ahead of this machine's clock", { at: NOW + 3_600_000, asOf: NOW + 3_600_000 }, {}],
    ['last read back', { asOf: NOW - 100_000 }, {}],
    ['not yet 3', {}, { rootVersion: 3 }],
    ['does not show', {}, { rootVersion: 1 }],
    ['is stale', { conditions: ['stale'] }, {}],
    ['in mode off', { mode: 'off' }, {}],
    ['1 failed', { policies: [{ name: 'block', states: { failed: 1, enforced: 1 } }] }, {}],
    ['does not name policy block', { policies: [] }, { wanted: signed() }],
    ['version 4 was signed', {}, { wanted: signed({ version: 4 }) }],
    ['another document', {}, { wanted: signed({ digest: 'e'.repeat(64) }) }],
    ['which version', { policies: [{ name: 'block', states: {} }] }, { wanted: signed() }],
    ['do not select', {}, { wanted: { suspended: false, policies: [] } }],
    [
      'nobody signed',
      { suspension: { mode: 'off', until: NOW, by: 'control-plane' } },
      { wanted: signed() },
    ],
  ])('tells of what is not: %s', (words, over, more) => {
    expect(judge(over, more).join('; ')).toContain(words);
  });
});

describe('whose signature counts for a name', () => {
  const [one, two] = ['1'.repeat(64), '2'.repeat(64)];
  it.each([
    [{ given: one, kept: two }, 'operator'],
    [{ kept: one }, 'kept'],
    [{ authored: [one] }, 'authors'],
    [{}, 'first sight'],
  ])('is told by %j', (more, by) => {
    expect(pinOf({ name: 'web1', shown: one, ...more })).toEqual({ nodeId: one, by });
  });

  it.each([{ given: two }, { kept: two }, { authored: [two] }, { kept: one, authored: [two] }])(
    'is refused where the control plane shows another host: %j',
    (more) => {
      expect(() => pinOf({ name: 'web1', shown: one, ...more })).toThrow(one);
    },
  );
});
