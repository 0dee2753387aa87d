import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { etcdKeys } from '#etcd';
import { eventually } from './eventually.js';
import { writtenBy } from './replica-pair.js';
import type { Rest } from './rest.js';
import { Rig, blockPolicy } from './rig.js';
import type { TestHost } from './test-host.js';

const LABELS = { env: 'prod' };
/** Enough for several rounds of delivery. */
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
async function writeToEtcd(value: string): Promise<void> {
  const etcd = rig.openEtcd();
  await etcd.transact({ then: [{ type: 'put', key: etcdKeys.policy('q'), value }] });
  etcd.close();
}
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

describe('a replica that cannot read a record', () => {
  it('takes nothing from a host and writes nothing, wherever it is started, until the record is repaired', async () => {
    await writeToEtcd('{}');
    await eventually('named', () => unreadable(rig.rest));
    const atFirst = await writtenBy(rig.rest);
    const other = await rig.startReplica();
    await eventually('named there', () => unreadable(other));
    await aWhile('p', 'q');
    await apply(other, 'r');
    await aWhile('p', 'q');
    expect((await writtenBy(rig.rest)) + (await writtenBy(other))).toBe(atFirst);
    const repaired = await rig.rest.post(
      '/v1/apply?overrideUnreadable=true',
      blockPolicy('q', '/usr/bin/q', LABELS),
    );
    expect(repaired.status).toBe(200);
    for (const rest of [rig.rest, other])
      await eventually('ready again', async () => !(await unreadable(rest)));
    await allReceive('p', 'q', 'r');
  });
});
