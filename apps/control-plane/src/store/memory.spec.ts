import { describe, expect, it } from '@jest/globals';
import type { NodeReport } from '#contracts';
import { Log } from '#observability';
import { Metrics } from '../health/metrics.js';
import { heapGrowthMiB } from '../testing/heap-growth.js';
import {
  hostPolicy,
  nodeRecord,
  policyRecord,
  putChannelKey,
  putNode,
  putPolicy,
  snapshot,
  testKeks,
} from '../testing/records.js';
import { HeldHeads, SignedStatusSource } from './held-heads.js';
import type { SignedAuditLog } from './signed-audit-log.js';
import type { Trust } from '../config/trust.js';
import { CloneWatch } from '../reports/clone-watch.js';
import { parseReport } from '../reports/parse-report.js';
import { ReportCache } from '../reports/report-cache.js';
import { FleetState } from './fleet-state.js';

const HOSTS = 1_000;
const POLICIES = 500;

const hosts = Array.from({ length: HOSTS }, (_, at) => {
  const id = at.toString(16).padStart(64, '0');
  const labels = { env: 'prod', app: `app${at % POLICIES}`, rack: `rack${at % 40}` };
  return [putNode(nodeRecord(`h${at}`, labels, id)), putChannelKey(id)];
}).flat();
const policies = (labelsOf: (at: number) => Record<string, string>) =>
  Array.from({ length: POLICIES }, (_, at) =>
    putPolicy(policyRecord(hostPolicy(`p${at}`, labelsOf(at)))),
  );

/** Bytes that a fleet takes which etcd has these of. */
async function bytesOf(
  puts: readonly { readonly key: string; readonly value: unknown }[],
): Promise<number> {
  const message = snapshot(10n, ...puts);
  const growthMiB = await heapGrowthMiB(() => {
    const state = new FleetState(testKeks);
    state.apply(message);
    return state;
  });
  return growthMiB * 1024 * 1024;
}

/** Bytes that what is remembered of these hosts takes after two reports each, as agents write them. */
async function bytesOfReports(policies: number): Promise<number> {
  const growthMiB = await heapGrowthMiB(() => {
    const [delivered, clones] = [new ReportCache(), new CloneWatch()];
    const none = {} as SignedStatusSource;
    const heads = new HeldHeads(
      {} as SignedAuditLog,
      none,
      {} as Trust,
      new Metrics(),
      new Log({ write: () => undefined }),
    );
    for (const sequence of [1, 2])
      for (let at = 0; at < HOSTS; at += 1) {
        const nodeId = at.toString(16).padStart(64, '0');
        const report = parseReport(reportOf(nodeId, sequence, policies), nodeId);
        clones.take(report, sequence, undefined);
        delivered.put(report, sequence);
        heads.take({ node: `h${at}`, nodeId }, report.heads ?? []);
      }
    return [delivered, clones, heads];
  });
  return growthMiB * 1024 * 1024;
}

function reportOf(nodeId: string, sequence: number, policies: number): Uint8Array {
  const report: NodeReport = {
    ...{ v: 1, nodeId, sequence, bootedAt: '2026-11-30T12:00:00.000Z', nextWithinMs: 60_000 },
    ...{ asOf: `2026-11-30T12:00:0${sequence}.000Z`, enforcer: 'bpf', conditions: [], drift: [] },
    applied: {
      epoch: '1',
      generation: '17',
      issuedAt: 1_796_000_000_000,
      bundleDigest: 'a'.repeat(64),
    },
    policies: Array.from({ length: policies }, (_, n) => ({
      ...{ policy: `block-${n}`, revision: '17' },
      rules: Array.from({ length: 5 }, (_rule, m) => ({
        id: `process-path-${m}`,
        state: 'enforced',
        proof: 'probe',
      })),
    })),
    coverage: { confinedProcesses: 100, uncoveredProcesses: 0, uncovered: [] },
    host: { hostname: `host-${nodeId.slice(-5)}`, kernel: '6.18.0', lsm: ['capability', 'bpf'] },
    versions: { agent: '0.1.0', sensor: '0.1.0' },
    losses: { audit: 0, spool: 0 },
    heads: Array.from({ length: 6 }, (_, n) => String(n).padStart(32, '0')),
  };
  return new TextEncoder().encode(JSON.stringify(report));
}

/** With these 10,000 hosts that each of 1,000 policies selects take less than 1 GB. */
describe('the fleet in memory takes', () => {
  it('less than 6,000 bytes a host with its key', async () => {
    expect((await bytesOf(hosts)) / HOSTS).toBeLessThan(6_000);
  });

  it.each([0, 10])(
    'less than 6,000 bytes a host with its key and its report of %d policies',
    async (policies) => {
      const bytes = (await bytesOf(hosts)) + (await bytesOfReports(policies));
      expect(bytes / HOSTS).toBeLessThan(6_000);
    },
  );

  it('less than 10,000 bytes a small policy', async () => {
    const bytes = await bytesOf(policies((at) => ({ app: `app${at}` })));
    expect(bytes / POLICIES).toBeLessThan(10_000);
  });

  it('less than 80 bytes for each host that a policy selects', async () => {
    const all = policies(() => ({ env: 'prod' }));
    const none = policies(() => ({ env: 'none' }));
    const more = (await bytesOf([...hosts, ...all])) - (await bytesOf([...hosts, ...none]));
    expect(more / HOSTS / POLICIES).toBeLessThan(80);
  });
});
