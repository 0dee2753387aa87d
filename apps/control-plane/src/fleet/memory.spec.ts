import { describe, expect, it } from '@jest/globals';
import { heapGrowthMiB } from '../testing/heap-growth.js';
import {
  hostPolicy,
  nodeRecord,
  policyRecord,
  putHostKey,
  putNode,
  putPolicy,
  snapshot,
  testKeks,
} from '../testing/records.js';
import { FleetState } from './fleet-state.js';

const HOSTS = 1_000;
const POLICIES = 500;

const hosts = Array.from({ length: HOSTS }, (_, at) => {
  const id = at.toString(16).padStart(64, '0');
  const labels = { env: 'prod', app: `app${at % POLICIES}`, rack: `rack${at % 40}` };
  return [putNode(nodeRecord(`h${at}`, labels, id)), putHostKey(id)];
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

/** With these 10,000 hosts that each of 1,000 policies selects take less than 1 GB. */
describe('the fleet in memory takes', () => {
  it('less than 6,000 bytes a host with its key', async () => {
    expect((await bytesOf(hosts)) / HOSTS).toBeLessThan(6_000);
  });

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
