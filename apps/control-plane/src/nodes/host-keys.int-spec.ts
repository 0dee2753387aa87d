import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { etcdKeys, EtcdStore } from '#etcd';
import { readConfig } from '../config/read-config.js';
import { eventually } from '../testing/eventually.js';
import { blockPolicy, Rig } from '../testing/rig.js';
import type { TestHost } from '../testing/test-host.js';
import { KeyEncryptionKeys } from './key-encryption-keys.js';

let rig: Rig;
let host: TestHost;
let etcd: EtcdStore;
beforeEach(async () => {
  rig = await Rig.start();
  host = await rig.host('web1', { env: 'prod' });
  await rig.rest.post('/v1/apply', blockPolicy('first', '/usr/bin/nc', { env: 'prod' }));
  await host.receives('first');
  const { tls } = readConfig(rig.files.configFile).etcd;
  const read = (path = '') => readFileSync(path);
  const credentials = { ca: read(tls?.ca), cert: read(tls?.cert), key: read(tls?.key) };
  etcd = EtcdStore.connect({ hosts: [rig.etcd.url], credentials, callTimeoutMs: 5_000 });
});
afterEach(async () => {
  etcd.close();
  await rig.stop();
});

const keyFile = () => readConfig(rig.files.configFile).keys.hostKeyKeys;
const setKeys = (...keys: readonly string[]) => writeFileSync(keyFile(), keys.join('\n'));

async function keksInEtcd(): Promise<readonly string[]> {
  const { items } = await etcd.list(etcdKeys.keys);
  return items.map(({ value }) => (JSON.parse(value.toString('utf8')) as { kek: string }).kek);
}

/** Served and believed: both need the key that is shared with it. */
async function isWell(policy: string): Promise<void> {
  await rig.rest.post('/v1/apply', blockPolicy(policy, '/usr/bin/nc', { env: 'prod' }));
  await host.receives('first', policy);
  await host.report('enforced');
  await eventually('the report is believed', async () => {
    const { body } = await rig.rest.get(`/v1/policies/${policy}/status`);
    const [node] = body['nodes'] as unknown as readonly { readonly state: string }[];
    return node?.state === 'enforced';
  });
}

describe('host keys in etcd', () => {
  it('follow a new key that is put in front, and open when the old one is gone', async () => {
    const old = readFileSync(keyFile(), 'utf8').trim();
    const renewed = KeyEncryptionKeys.generate();
    await rig.stopControlPlane();
    setKeys(renewed, old);
    await rig.startControlPlane();
    const { id } = KeyEncryptionKeys.parse(renewed);
    await eventually('wrapped anew', async () => (await keksInEtcd()).every((kek) => kek === id));
    expect((await rig.rest.get('/v1/journal')).text).toContain('keys.rewrapped');
    await rig.stopControlPlane();
    setKeys(renewed);
    await rig.startControlPlane();
    await rig.ready();
    await isWell('second');
  });

  it('end the start where their key is another one, naming file and remedy, and are made anew where it is lost', async () => {
    await rig.stopControlPlane();
    setKeys(KeyEncryptionKeys.generate());
    await expect(rig.startControlPlane()).rejects.toThrow(
      /keys\.hostKeyKeys is .*host-keys\.secret: does not open.*Restore the file from a backup/,
    );
    const { items } = await etcd.list(etcdKeys.keys);
    const then = items.map(({ key }) => ({ type: 'delete' as const, key }));
    await etcd.transact({ if: [], then });
    await rig.startControlPlane();
    await rig.ready();
    await isWell('second');
  });

  it('are kept in memory where one is damaged, and readiness names it', async () => {
    const { items } = await etcd.list(etcdKeys.keys);
    const key = items[0]?.key ?? '';
    await etcd.transact({ if: [], then: [{ type: 'put', key, value: '{}' }] });
    await eventually('named', async () => (await rig.rest.get('/readyz')).text.includes(key));
    await isWell('second');
  });
});
