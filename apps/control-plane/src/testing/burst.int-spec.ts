import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { EtcdStore, etcdKeys } from '#etcd';
import { eventually } from './eventually.js';
import { writtenBy } from './replica-pair.js';
import { Rig, blockPolicy } from './rig.js';

const LABELS = { env: 'prod' };
const CHANGES = 100;

let rig: Rig;
let store: EtcdStore;
beforeAll(async () => {
  rig = await Rig.start();
  const { ca, cert, key } = rig.files.etcd;
  const credentials = { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) };
  store = EtcdStore.connect({ hosts: [rig.etcd.url], credentials });
});
afterAll(async () => {
  store.close();
  await rig.stop();
});

describe('a burst of changes', () => {
  it('comes to a host in few assignments, the last change among them', async () => {
    const host = await rig.host('busy1', LABELS);
    await rig.rest.post('/v1/apply', blockPolicy('p', '/usr/bin/nc', LABELS));
    await host.receives('p');
    const before = await writtenBy(rig.rest);
    const last = await changeOften(etcdKeys.policy('p'));
    await eventually('the last change is there', async () => {
      return (await host.fetch())?.policies[0]?.revision === last.toString();
    });
    expect((await writtenBy(rig.rest)) - before).toBeLessThan(CHANGES / 5);
  });
});

/** As fast as etcd takes them: a request each would come later on a machine with other work. Answers the last revision. */
async function changeOften(key: string): Promise<bigint> {
  const value = (await store.get(key))?.value ?? '';
  let last = 0n;
  for (let change = 0; change < CHANGES; change += 1)
    last = (await store.transact({ then: [{ type: 'put', key, value }] })).revision;
  return last;
}
