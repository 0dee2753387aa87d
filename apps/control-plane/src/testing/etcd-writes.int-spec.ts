import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EtcdStore } from '#etcd';
import { eventually } from './eventually.js';
import { Rig, blockPolicy } from './rig.js';
import { TestHost } from './test-host.js';

const LABELS = { env: 'prod' };
const HOSTS = 300;
const AT_ONCE = 20;
const LONG_MS = 20 * 60_000;

let rig: Rig;
let etcd: EtcdStore;
let hosts: readonly TestHost[];
beforeAll(async () => {
  rig = await Rig.start();
  etcd = rig.openEtcd();
  hosts = await enrolled();
}, LONG_MS);
afterAll(async () => {
  etcd.close();
  await rig.stop();
});

async function enrolled(): Promise<readonly TestHost[]> {
  const made = await rig.rest.post('/v1/join-tokens', { labels: LABELS, uses: HOSTS });
  const all = Array.from({ length: HOSTS }, (_, index) => new TestHost(`h${index}`, rig.rest));
  await each(all, async (host) => {
    await eventually(`${host.name} is in`, async () => {
      return (await host.enroll(String(made.body['token']))).status === 200;
    });
    host.attach(rig.connectionOf(host));
  });
  return all;
}
async function each(
  all: readonly TestHost[],
  work: (host: TestHost) => Promise<unknown>,
): Promise<void> {
  const left = [...all];
  const worker = async (): Promise<void> => {
    for (let host = left.pop(); host; host = left.pop()) await work(host);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
const reportsTaken = async (): Promise<number> => {
  const { text } = await rig.rest.get('/metrics');
  return Number(/^hostward_reports_total (\d+)$/m.exec(text)?.[1]);
};

describe('what etcd is written for a change', () => {
  it(
    'is the change alone, however many hosts take it and report it',
    async () => {
      const [before, taken] = [await etcd.revision(), await reportsTaken()];
      const applied = await rig.rest.post('/v1/apply', blockPolicy('one', '/usr/bin/nc', LABELS));
      expect(applied.status).toBe(200);
      await each(hosts, async (host) => {
        await host.receives('one');
        for (const state of ['pending', 'failed', 'pending', 'enforced'] as const)
          await host.report(state);
      });
      await eventually('every host is known to enforce it', async () => {
        const { body } = await rig.rest.get('/v1/policies/one/status');
        return body['enforcedEverywhere'];
      });
      expect((await reportsTaken()) - taken).toBeGreaterThanOrEqual(HOSTS);
      expect((await etcd.revision()) - before).toBe(1n);
    },
    LONG_MS,
  );
});
