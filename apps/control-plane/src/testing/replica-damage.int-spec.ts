import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { etcdKeys } from '#etcd';
import { eventually } from './eventually.js';
import { replicasSeenBy, writtenBy } from './replica-pair.js';
import type { Rest } from './rest.js';
import { Rig, blockPolicy } from './rig.js';
import type { TestHost } from './test-host.js';

const LABELS = { env: 'prod' };
/** In which replicas that do not agree write over each other several times. */
const A_WHILE_MS = 6_000;

let rig: Rig;
let hosts: readonly TestHost[];
beforeAll(async () => {
  rig = await Rig.start();
  hosts = await Promise.all(['a', 'b', 'c', 'd'].map((name) => rig.host(name, LABELS)));
  for (const name of ['p', 'q']) await apply(rig.rest, name);
  await allReceive('p', 'q');
});
afterAll(() => rig.stop());

const apply = (rest: Rest, name: string) =>
  rest.post('/v1/apply', blockPolicy(name, `/usr/bin/${name}`, LABELS));
const allReceive = async (...names: string[]): Promise<void> => {
  await Promise.all(hosts.map((host) => host.receives(...names)));
  await Promise.all(hosts.map((host) => host.report()));
};
const aWhile = async (...names: string[]): Promise<void> => {
  const end = performance.now() + A_WHILE_MS;
  while (performance.now() < end) {
    await allReceive(...names);
    await delay(100);
  }
};
const unreadable = async (rest: Rest): Promise<boolean> =>
  (await rest.get('/readyz')).text.includes(`cannot be read: ${etcdKeys.policy('q')}`);

describe('a replica that is started when a record can be read no more', () => {
  it('takes it from no host that has it from another one, and writes over nothing', async () => {
    const etcd = rig.openEtcd();
    await etcd.transact({ then: [{ type: 'put', key: etcdKeys.policy('q'), value: '{}' }] });
    etcd.close();
    await eventually('named', () => unreadable(rig.rest));
    const written = async () => (await writtenBy(rig.rest)) + (await writtenBy(other));
    const atFirst = await writtenBy(rig.rest);
    const other = await rig.startReplica();
    await eventually('named there', () => unreadable(other));
    await aWhile('p', 'q');
    expect(await written()).toBe(atFirst);
    for (const rest of [rig.rest, other])
      await eventually('one has all hosts', async () => (await replicasSeenBy(rest)) === 1);
    for (const [index, rest] of [other, rig.rest].entries()) {
      await apply(rest, `r${index}`);
      await allReceive('p', 'q', ...['r0', 'r1'].slice(0, index + 1));
    }
    const before = await written();
    await aWhile('p', 'q', 'r0', 'r1');
    expect(await written()).toBe(before);
  });
});
