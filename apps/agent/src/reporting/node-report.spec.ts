import { describe, expect, it } from '@jest/globals';
import type { CompileReport, Plan } from '#policy-compiler';
import { sensorState } from '../testing/scripted-sensor.js';
import type { SensorState } from '#sensor';
import { parseCompileReport } from '../sensor/compile-report.js';
import { nodeReport, type ReportFacts } from './node-report.js';

const attribution = {
  v: 1,
  rules: [],
  general: { paths: [], cells: [], lists: {} },
  profiles: {},
} as const;

function compiled(...plans: readonly Plan[]): CompileReport {
  const rules = plans.map((plan, index) => ({
    id: `process/matchPaths/${index}`,
    plan,
    class: 'process' as const,
  }));
  return { v: 1, policies: [{ policy: 'block-sleep', revision: '7', rules }], attribution };
}

function reportOf(change: Partial<SensorState>, facts: Partial<ReportFacts> = {}) {
  return nodeReport({
    nodeId: 'n1',
    hostname: 'web1',
    sequence: 3,
    bootedAt: 1_000,
    now: 100_000,
    reportEveryMs: 10_000,
    observing: false,
    sensor: {
      version: '0.1.0',
      state: sensorState({
        assignmentVersion: { epoch: '1', generation: '5', issuedAt: 1 },
        digest: 'd',
        ...change,
      }),
      outcomeSince: 500,
    },
    compileReport: compiled('enforce'),
    agentVersion: '0.1.0',
    spoolLost: 0,
    telemetryEventsLost: 0,
    ...facts,
  });
}

const firstRule = (change: Partial<SensorState>, plan: Plan = 'enforce') =>
  reportOf(change, { compileReport: compiled(plan) }).policies[0]?.rules[0];

const probe = (result: 'blocked' | 'allowed' | 'inconclusive') => ({
  kind: 'exec' as const,
  rule: 'block-sleep/process/matchPaths/0',
  profile: 'hostward',
  path: '/usr/bin/sleep',
  result,
  errno: 13,
});

describe('the state of a rule', () => {
  it('is enforced, proved by read-back, when the kernel holds what was compiled', () => {
    expect(firstRule({})).toEqual({
      id: 'process/matchPaths/0',
      state: 'enforced',
      proof: 'read-back',
    });
  });

  it('is proved by a probe when one was blocked, and not by one that was inconclusive or of another rule', () => {
    expect(firstRule({ probes: [probe('blocked')] })).toMatchObject({
      state: 'enforced',
      proof: 'probe',
    });
    expect(firstRule({ probes: [probe('inconclusive')] })).toMatchObject({ proof: 'read-back' });
    expect(
      firstRule({ probes: [{ ...probe('allowed'), rule: 'other/process/matchPaths/0' }] }),
    ).toMatchObject({ state: 'enforced' });
  });

  it('is only delivered while its block is still being proved', () => {
    expect(firstRule({ probes: [{ ...probe('inconclusive'), errno: 115 }] })).toEqual({
      id: 'process/matchPaths/0',
      state: 'delivered',
      reason: 'its block is being proved',
    });
  });

  it('is only delivered until it is known who has open what it refuses', () => {
    const coverage = { confined: 10, uncovered: 0, exempt: 1, list: [], awaited: true };
    expect(firstRule({ coverage, probes: [probe('blocked')] })).toEqual({
      id: 'process/matchPaths/0',
      state: 'delivered',
      reason: 'who has open what it refuses is being looked for',
    });
    expect(firstRule({ coverage }, 'audit')).toMatchObject({ state: 'audited' });
    expect(firstRule({ coverage, probes: [probe('allowed')] })).toMatchObject({ state: 'failed' });
  });

  it.each([
    ['the kernel refused the profiles', 'load-failed'],
    ['AppArmor is in mode complain for all profiles', 'apparmor-lets-pass'],
  ])('is failed where %s, whatever was read back', (message, code) => {
    const outcome = { ok: false, code, message };
    expect(firstRule({ outcome })).toMatchObject({ state: 'failed', reason: outcome.message });
    expect(firstRule({ outcome }, 'audit')).toMatchObject({ state: 'failed' });
  });

  it('is failed when a probe was allowed, whatever was read back', () => {
    expect(firstRule({ probes: [probe('blocked'), probe('allowed')] })).toMatchObject({
      state: 'failed',
      reason: 'an exec of /usr/bin/sleep was not blocked',
    });
  });

  it('is failed when a profile is not loaded, or loaded otherwise than compiled', () => {
    const profile = {
      name: 'hostward',
      loaded: false,
      mode: '',
      hash: '',
      expectedHash: 'a',
      ok: false,
    };
    expect(firstRule({ profiles: [profile] })).toMatchObject({
      state: 'failed',
      reason: 'profile hostward is not loaded',
    });
    const complain = { ...profile, loaded: true, mode: 'complain' };
    expect(firstRule({ profiles: [complain] })?.reason).toContain('is loaded in mode complain');
  });

  it('is only delivered while nothing is loaded, while suspended, and in no case enforced without an enforcer', () => {
    expect(firstRule({ profiles: [] })?.state).toBe('delivered');
    expect(firstRule({ mode: 'audit' })).toMatchObject({
      state: 'delivered',
      reason: 'suspended: the host is in mode audit',
    });
    expect(firstRule({ mode: 'off' })?.state).toBe('delivered');
    expect(firstRule({ enforcer: 'none' })?.state).toBe('failed');
  });

  it("says that its denials are told to nobody where AppArmor's records are not read", () => {
    const deaf = { auditListening: false } as const;
    expect(firstRule(deaf)).toMatchObject({
      state: 'enforced',
      reason: expect.stringMatching(/are told to nobody/),
    });
    expect(firstRule({ ...deaf, enforcer: 'bpf' })).not.toHaveProperty('reason');
  });

  it('is audited only where denials are being read', () => {
    expect(firstRule({}, 'audit')).toMatchObject({ state: 'audited' });
    expect(firstRule({ auditListening: false }, 'audit')?.state).toBe('delivered');
    expect(firstRule({ mode: 'off' }, 'audit')?.state).toBe('delivered');
  });

  it('carries the plan of a rule that cannot be in force, with its reason', () => {
    for (const plan of ['unsupported', 'failed', 'refused'] as const) {
      const rules = [{ id: 'r', plan, class: 'process' as const, reason: 'because' }];
      const report = {
        v: 1,
        policies: [{ policy: 'p', revision: '1', rules }],
        attribution,
      } as const;
      expect(reportOf({}, { compileReport: report }).policies[0]?.rules).toEqual([
        { id: 'r', state: plan, reason: 'because' },
      ]);
    }
  });
});

describe('the report of a host', () => {
  it('does not say enforced of a rule of which stronger ones leave nothing', () => {
    expect(firstRule({}, 'overruled')).toMatchObject({ state: 'delivered' });
  });

  it('says of such a rule that it is in force only where it was read back', () => {
    expect(firstRule({}, 'overruled')).toMatchObject({ proof: 'read-back' });
    for (const state of [{ profiles: [] }, { mode: 'audit' }, { enforcer: 'none' }] as const)
      expect(firstRule(state, 'overruled')).not.toHaveProperty('proof');
  });

  it('says what is applied and when the kernel was read back, not when it was written', () => {
    expect(reportOf({ asOf: 2_000 })).toMatchObject({
      asOf: '1970-01-01T00:00:02.000Z',
      applied: { epoch: '1', generation: '5', issuedAt: 1, bundleDigest: 'd' },
      enforcer: 'apparmor',
      coverage: { confinedProcesses: 10, uncoveredProcesses: 2 },
    });
  });

  it('tells why files are judged by path alone, where some are', () => {
    const { coverage } = sensorState({});
    expect(reportOf({ coverage }).coverage).not.toHaveProperty('byPathAlone');
    const byPathAlone = `the search was ended in ${'x'.repeat(600)}`;
    expect(reportOf({ coverage: { ...coverage, byPathAlone } }).coverage).toMatchObject({
      byPathAlone: byPathAlone.slice(0, 500),
    });
  });

  it('tells what was lost, and by which cause where the enforcer is BPF', () => {
    const bpf = { ring: 1, reserve: 2, scratch: 3, race: 4, throttled: 5 };
    const losses = { audit: 6, bpf };
    expect(reportOf({ losses, enforcer: 'bpf' }, { spoolLost: 7 }).losses).toEqual({
      audit: 6,
      spool: 7,
      bpf,
    });
    expect(reportOf({ losses }).losses).toEqual({ audit: 6, spool: 0 });
  });

  it('claims nothing when the sensor was never reached', () => {
    const rejection = { code: 'sensor-away', message: 'gone', at: 5_000 };
    const report = reportOf({}, { sensor: undefined, rejection });
    expect(report).toMatchObject({
      asOf: '1970-01-01T00:00:01.000Z',
      enforcer: 'none',
      policies: [],
      conditions: [],
    });
    expect(report.rejected).toEqual({
      code: 'sensor-away',
      message: 'gone',
      at: '1970-01-01T00:00:05.000Z',
    });
  });

  it.each([
    ['drifted', { drift: [{ what: 'hostward', detectedAt: 1 }] }],
    ['drifted', { drift: [{ what: 'hostward', detectedAt: 1, repairedAt: 85_000 }] }],
    ['stale', { expiresAt: 100_000 }],
    ['unconfirmed', { confirm: { state: 'unconfirmed', since: 1 } }],
    ['suspended', { suspension: { mode: 'off', until: 200_000, reason: 'r', by: 'console' } }],
  ] as const)('is qualified as %s', (condition, change) => {
    expect(reportOf(change).conditions).toEqual([condition]);
  });

  it('is stale while what comes is withheld, and by the last signed time where the clock is behind it', () => {
    const rejection = { code: 'withheld', message: 'policy p was seen here', at: 1 };
    expect(reportOf({}, { rejection }).conditions).toEqual(['stale']);
    const highest = { epoch: '1', generation: '9', issuedAt: 300_000 };
    expect(reportOf({ expiresAt: 200_000, highest }).conditions).toEqual(['stale']);
  });

  it('has no condition from an old drift, a later expiry or a swap that was confirmed', () => {
    const drift = [{ what: 'hostward', detectedAt: 1, repairedAt: 2 }];
    const report = reportOf({
      drift,
      expiresAt: 100_001,
      confirm: { state: 'confirmed', since: 1 },
    });
    expect(report.conditions).toEqual([]);
    expect(report.drift).toHaveLength(1);
  });

  it('tells a fallback as a rejection of the assignment that was fallen back from', () => {
    const report = reportOf({
      confirm: { state: 'fell-back', since: 50_000 },
      highest: { epoch: '1', generation: '6', issuedAt: 2 },
    });
    expect(report.rejected).toMatchObject({
      code: 'fell-back',
      generation: '6',
      at: '1970-01-01T00:00:50.000Z',
    });
    expect(report.applied).toMatchObject({ generation: '5' });
  });

  it('tells the highest assignment version that was accepted where something else, or nothing, is in force', () => {
    const { applied } = reportOf({});
    const { epoch = '', generation = '', issuedAt = 0 } = applied ?? {};
    const highest = { epoch, generation, issuedAt };
    const higher = { ...highest, issuedAt: issuedAt + 1 };
    expect(reportOf({ highest }).seen).toBeUndefined();
    expect(reportOf({ highest: higher }).seen).toEqual(higher);
    expect(reportOf({ highest, assignmentVersion: undefined }).seen).toEqual(highest);
  });

  it('tells who suspended, the boot guard under its own name', () => {
    const suspension = {
      mode: 'audit',
      until: 1,
      reason: 'three failed boots',
      by: 'boot-guard',
    } as const;
    expect(reportOf({ suspension }).suspension).toMatchObject({
      by: 'boot-guard',
      reason: 'three failed boots',
    });
  });

  it('survives times that no calendar holds', () => {
    expect(reportOf({ asOf: Number.MAX_SAFE_INTEGER }).asOf).toBe('1970-01-01T00:00:00.000Z');
  });
});

describe('the compiler’s report out of the sensor’s state', () => {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');

  it('is taken when it has the shape that the status is built from', () => {
    expect(parseCompileReport(encode(compiled('enforce')))).toEqual(compiled('enforce'));
  });

  it.each([
    undefined,
    '',
    '!!!',
    encode(null),
    encode([]),
    encode({ ...compiled('enforce'), v: 2 }),
    encode({ v: 1, policies: [] }),
    encode({ v: 1, policies: [null], attribution }),
    encode({ v: 1, policies: [{ policy: 'p', revision: 'x', rules: [] }], attribution }),
    encode({
      v: 1,
      policies: [{ policy: 'p', revision: '1', rules: [{ id: 'r', plan: 'enforced' }] }],
      attribution,
    }),
  ])('is not taken otherwise: %s', (report) => {
    expect(parseCompileReport(report)).toBeUndefined();
  });
});

describe('a text that is longer than the control plane reads', () => {
  const long = 'x'.repeat(4_000);

  it('is cut, since it would refuse all of the report', () => {
    const report = reportOf(
      {
        probes: [{ ...probe('allowed'), path: `/${long}` }],
        suspension: { mode: 'off', until: 1, by: 'console', reason: long },
        drift: [{ what: long, detectedAt: 1 }],
        sensing: {
          wanted: ['dns'],
          watched: [],
          failure: long,
          losses: { ring: 0, scratch: 0, race: 0, repeated: 0, queue: 0 },
        },
      },
      {
        compileReport: { ...compiled('enforce'), enforcerReason: long },
        rejection: { code: 'refused', message: long, at: 1 },
      },
    );
    expect(report.policies[0]?.rules[0]).toMatchObject({ state: 'failed' });
    const texts = [
      report.policies[0]?.rules[0]?.reason,
      report.rejected?.message,
      report.suspension?.reason,
      report.enforcerReason,
      report.drift[0]?.what,
      report.visibility?.reason,
    ];
    expect(texts.map((text) => text?.length)).toEqual([2_000, 2_000, 1_000, 500, 500, 500]);
  });
});
