import { describe, expect, it } from '@jest/globals';
import type { Finding, NodeReport } from '#contracts';
import type { EtcdStatus } from '#etcd';
import { nodeUserName, type RedisVitals, type SentinelStanding } from '#redis';
import type { Evidence } from '../reports/report-to-status.js';
import { etcdFindings } from './etcd-findings.js';
import { hostFindings, hostVersions } from './host-findings.js';
import { diskFinding } from './machine-findings.js';
import { readinessFindings } from './readiness-findings.js';
import { redisFindings } from './redis-findings.js';
import { sentinelFinding } from './sentinel-finding.js';
import { authorityFinding, certificateFindings, rootFinding } from './trust-findings.js';

const NOW = Date.parse('2026-06-01T00:00:00Z');
const DAY = 86_400_000;
const ID = 'a'.repeat(64);

const etcd: EtcdStatus = {
  version: '3.5.0',
  revision: 7n,
  leader: '1',
  member: '1',
  databaseBytes: 1_000_000,
  alarms: [],
};
const redis: RedisVitals = {
  isMaster: true,
  runId: 'a',
  usedBytes: 1_000_000,
  maxBytes: 1_000_000_000,
  evictionPolicy: 'noeviction',
  saves: true,
  clients: 3,
  maxClients: 100,
  timeMs: NOW,
  users: new Set([nodeUserName(ID)]),
};

/** Checks that are not well, with their verdicts; each has a remedy, and what is well has none. */
const faults = (findings: readonly Finding[]): Record<string, string> => {
  for (const { verdict, remedy } of findings) expect(remedy === '').toBe(verdict === 'ok');
  const wrong = findings.filter(({ verdict }) => verdict !== 'ok');
  return Object.fromEntries(wrong.map(({ check, verdict }) => [check, verdict]));
};

const NO_LOSS = { ring: 0, reserve: 0, scratch: 0, race: 0, throttled: 0 };

describe('what is found of etcd', () => {
  it.each<[string, EtcdStatus | Error, Record<string, string>]>([
    ['nothing where it is well', etcd, {}],
    ['a quota that is reached', { ...etcd, alarms: ['NOSPACE'] }, { 'etcd-alarm': 'failed' }],
    ['a member that differs', { ...etcd, alarms: ['CORRUPT'] }, { 'etcd-alarm': 'failed' }],
    ['little room', { ...etcd, databaseBytes: 1.8 * 1024 ** 3 }, { 'etcd-space': 'warning' }],
    ['that it does not answer', new Error('no answer'), { 'etcd-space': 'failed' }],
  ])('is %s', (_title, status, expected) => {
    expect(faults(etcdFindings(status))).toEqual(expected);
  });
});

describe('what is found of a Redis', () => {
  it.each<[string, Partial<RedisVitals> | Error, Record<string, string>]>([
    ['nothing where it is well', {}, {}],
    ['eviction', { evictionPolicy: 'allkeys-lru' }, { 'redis-eviction-r': 'failed' }],
    ['full memory', { usedBytes: 1_000_000_000 }, { 'redis-memory-r': 'failed' }],
    ['memory that fills', { usedBytes: 850_000_000 }, { 'redis-memory-r': 'warning' }],
    ['memory without a bound', { maxBytes: 0 }, { 'redis-memory-r': 'warning' }],
    ['a save that failed', { saves: false }, { 'redis-persistence-r': 'failed' }],
    ['many clients', { clients: 95 }, { 'redis-clients-r': 'warning' }],
    ['another clock', { timeMs: NOW - 2 * DAY }, { 'redis-clock-r': 'failed' }],
    ['a host without its user', { users: new Set() }, { 'redis-acl-r': 'failed' }],
    ['that it does not answer', new Error('NOAUTH'), { 'redis-r': 'failed' }],
  ])('is %s', (_title, over, expected) => {
    const vitals = over instanceof Error ? over : { ...redis, ...over };
    expect(faults(redisFindings([{ name: 'r', vitals }], [ID], NOW))).toEqual(expected);
  });

  it.each<[string, Partial<SentinelStanding>, Record<string, string>]>([
    ['nothing where all Sentinels answer', {}, {}],
    ['one that is away', { answering: 2 }, { 'redis-sentinel-m': 'warning' }],
    ['that there is no majority', { answering: 1 }, { 'redis-sentinel-m': 'failed' }],
    ['that none has answered', { master: undefined }, { 'redis-sentinel-m': 'failed' }],
    ['a master that nobody knows', { problem: 'unknown' }, { 'redis-sentinel-m': 'failed' }],
  ])('or of its Sentinels is %s', (_title, over, expected) => {
    const master = { host: '10.0.0.1', port: 6379 };
    const standing = { name: 'm', sentinels: 3, answering: 3, master, ...over };
    expect(faults([sentinelFinding(standing)])).toEqual(expected);
  });

  it('is a second master, whose users are gone on purpose', () => {
    const survey = [{ name: 'r', vitals: { ...redis, users: new Set<string>() }, isStray: true }];
    expect(faults(redisFindings(survey, [ID], NOW))).toEqual({ 'redis-role-r': 'failed' });
  });
});

describe('what is found of the trust of an installation', () => {
  it.each<[string, Finding, Record<string, string>]>([
    ['nothing', authorityFinding(new Date(NOW + 1_000 * DAY), 'settled', NOW), {}],
    ['an old CA', authorityFinding(new Date(NOW - 1), 'settled', NOW), { ca: 'failed' }],
    ['an ageing CA', authorityFinding(new Date(NOW + DAY), 'settled', NOW), { ca: 'warning' }],
    ['half a CA', authorityFinding(new Date(NOW + 1e12), 'switched', NOW), { ca: 'warning' }],
    ['a root document', rootFinding(NOW + 400 * DAY, NOW), {}],
    ['an old root document', rootFinding(NOW, NOW), { 'root-document': 'failed' }],
    ['an ageing one', rootFinding(NOW + DAY, NOW), { 'root-document': 'warning' }],
  ])('is %s', (_title, finding, expected) => {
    expect(faults([finding])).toEqual(expected);
  });

  it('is a certificate that has expired, expires, does not count yet, or cannot be read', () => {
    const notBefore = new Date(NOW - DAY);
    const validities = [
      { file: '/pki/old.pem', notBefore, notAfter: new Date(NOW - 1) },
      { file: '/pki/soon.pem', notBefore, notAfter: new Date(NOW + 3_600_000) },
      { file: '/pki/ahead.pem', notBefore: new Date(NOW + 1), notAfter: new Date(NOW + DAY) },
      { file: '/pki/gone.pem' },
      { file: '/pki/good.pem', notBefore, notAfter: new Date(NOW + DAY) },
    ];
    expect(faults(certificateFindings(validities, NOW))).toEqual({
      'certificate-ahead.pem': 'failed',
      'certificate-old.pem': 'failed',
      'certificate-soon.pem': 'warning',
      'certificate-gone.pem': 'failed',
    });
  });
});

describe('what is found of the machine', () => {
  it('is a disk without room, and a folder that is not there', async () => {
    // A file system that has no room, ever.
    expect(faults([await diskFinding('/proc')])).toEqual({ disk: 'failed' });
    expect(faults([await diskFinding('/nowhere')])).toEqual({ disk: 'failed' });
  });
});

it('every check of readiness has a remedy of its own where it fails', () => {
  const names = ['etcd', 'redis', 'records', 'alerts', 'audit-log', 'store', 'restore'];
  const found = readinessFindings(names.map((name) => ({ name, ok: false, detail: 'x' })));
  expect(new Set(found.map(({ remedy }) => remedy)).size).toBe(names.length);
});

describe('what is found of hosts', () => {
  const report = {
    enforcer: 'apparmor',
    drift: [],
    policies: [],
    losses: { audit: 0, spool: 0 },
    versions: { agent: '1.0.0', sensor: '1.0.0' },
  } as unknown as NodeReport;
  const host = (over: Partial<Evidence> = {}, said: Partial<NodeReport> = {}): Evidence => ({
    node: 'web1',
    freshness: { fresh: true },
    report: { ...report, ...said },
    ...over,
  });
  const rule = (state: 'failed' | 'unsupported'): Partial<NodeReport> => ({
    policies: [{ policy: 'p', revision: '1', rules: [{ id: 'r', state }] }],
  });
  const until = '2026-06-01T01:00:00Z';

  it.each<[string, Evidence, Record<string, string>]>([
    ['nothing where all is well', host(), {}],
    [
      'silence',
      host({ freshness: { fresh: false, cause: 'silence', reason: 'it has not reported' } }),
      { 'hosts-silent': 'failed' },
    ],
    [
      'a wrong clock',
      host({ freshness: { fresh: false, cause: 'clock', reason: 'it differs' } }),
      { 'hosts-clock': 'failed' },
    ],
    [
      'a sensor that is away',
      host({ freshness: { fresh: false, cause: 'kernel-not-read', reason: 'read long ago' } }),
      { 'hosts-sensor': 'failed' },
    ],
    [
      'a cut-off',
      host({ cutOff: { at: until, until, reason: 'x' } }),
      { 'hosts-identity': 'failed' },
    ],
    ['a clone', host({ clone: { at: until, reason: 'x' } }), { 'hosts-identity': 'failed' }],
    ['no LSM', host({}, { enforcer: 'none' }), { 'hosts-enforcer': 'failed' }],
    [
      'a refusal',
      host({}, { rejected: { code: 'c', message: 'm', at: until } }),
      { 'hosts-refusals': 'failed' },
    ],
    ['too many policies', host({ unbundled: 'too many' }), { 'hosts-unbundled': 'failed' }],
    ['a failed rule', host({}, rule('failed')), { 'hosts-rules': 'failed' }],
    ['an unsupported rule', host({}, rule('unsupported')), { 'hosts-unsupported': 'warning' }],
    [
      'drift',
      host({}, { drift: [{ what: 'hostward', detectedAt: until }] }),
      { 'hosts-drift': 'warning' },
    ],
    [
      'a suspension',
      host({}, { suspension: { mode: 'off', until, reason: 'x', by: 'console' } }),
      { 'hosts-suspended': 'warning' },
    ],
    [
      'an upgrade that was taken back',
      host({}, { rolledBack: { from: '2', to: '1', at: until, reason: 'x' } }),
      { 'hosts-rolled-back': 'warning' },
    ],
    ['lost events', host({}, { losses: { audit: 1, spool: 0 } }), { 'hosts-losses': 'warning' }],
    [
      'lost records of BPF programs',
      host({}, { losses: { audit: 0, spool: 0, bpf: { ...NO_LOSS, reserve: 1 } } }),
      { 'hosts-losses': 'warning' },
    ],
  ])('is %s', (_title, evidence, expected) => {
    expect(faults(hostFindings([evidence]))).toEqual(expected);
  });

  it('names five of many', () => {
    const many = Array.from({ length: 9 }, (_, i) => host({ node: `n${i}` }, { enforcer: 'none' }));
    const found = hostFindings(many).find(({ check }) => check === 'hosts-enforcer');
    expect(found?.cause).toMatch(/^9 of 9 hosts .*: n0, n1, n2, n3, n4 and 4 more$/);
  });

  it('counts versions of those that report', () => {
    const silent = host({ freshness: { fresh: false, cause: 'silence', reason: 'x' } });
    expect(hostVersions([host(), host(), silent])).toEqual({ '1.0.0': 2 });
  });
});
