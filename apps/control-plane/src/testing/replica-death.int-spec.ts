import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { alertBatch } from './alerts.js';
import { eventually } from './eventually.js';
import { replicasSeenBy } from './replica-pair.js';
import type { Rest } from './rest.js';
import { Rig, blockPolicy } from './rig.js';
import type { TestHost } from './test-host.js';

const HOSTS = 12;
const LABELS = { env: 'prod' };

let rig: Rig;
let left: Rest;
let hosts: readonly TestHost[];
beforeAll(async () => {
  rig = await Rig.start();
  left = await rig.startReplica();
  await eventually('it is ready', async () => (await left.get('/readyz')).status === 200);
  const names = Array.from({ length: HOSTS }, (_, index) => `h${index}`);
  hosts = await Promise.all(names.map((name) => rig.host(name, LABELS)));
  await rig.rest.post('/v1/apply', blockPolicy('p', '/usr/bin/nc', LABELS));
  await Promise.all(hosts.map((host) => host.receives('p')));
  for (const rest of [rig.rest, left]) {
    await eventually('both are there', async () => (await replicasSeenBy(rest)) === 2);
    await eventually('enforced everywhere', async () => {
      await Promise.all(hosts.map((host) => host.takesAndReports()));
      return isEnforced(rest);
    });
  }
});
afterAll(() => rig.stop());

const isEnforced = async (rest: Rest): Promise<boolean> =>
  (await rest.get('/v1/policies/p/status')).body['enforcedEverywhere'] === true;
const allReport = async (): Promise<void> => {
  const reports = await Promise.all(hosts.map((host) => host.report()));
  const isRead = async ({ name }: TestHost, index: number): Promise<boolean> =>
    (await left.get(`/v1/nodes/${name}`)).body['asOf'] === reports[index]?.asOf;
  await eventually('all reports are read', async () => {
    return (await Promise.all(hosts.map(isRead))).every(Boolean);
  });
};
/** Each host has one more to tell of than before. */
const allAlert = async (number: number): Promise<void> => {
  await Promise.all(hosts.map((host) => host.send(alertBatch('p', number, number))));
  await eventually('all alerts are stored', async () => {
    const { body } = await left.get('/v1/alerts?limit=200');
    const { items } = body as unknown as { readonly items: readonly unknown[] };
    return items.length === HOSTS * number;
  });
};

describe('what hosts say while a replica is dead', () => {
  it('is known to the other one, of all hosts: reports before the lease is over, alerts before and after', async () => {
    const over = new AbortController();
    const looks = looksUntil(over.signal);
    rig.etcdLink.cut();
    rig.redisLink.cut();
    await allReport();
    expect(await replicasSeenBy(left)).toBe(2);
    await allAlert(1);
    await eventually('the lease is over', async () => (await replicasSeenBy(left)) === 1);
    await allReport();
    await allAlert(2);
    over.abort();
    expect(new Set(await looks)).toEqual(new Set([true]));
  });
});

/** Whether the policy counts as enforced everywhere, look by look. */
async function looksUntil(signal: AbortSignal): Promise<readonly boolean[]> {
  const looks: boolean[] = [];
  while (!signal.aborted) looks.push(await isEnforced(left));
  return looks;
}
