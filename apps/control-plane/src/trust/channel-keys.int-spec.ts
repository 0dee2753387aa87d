import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generateSigningKey, loadSigner, signRoot, trustRoot } from '#bundle';
import { etcdKeys, EtcdStore } from '#etcd';
import { Log } from '#observability';
import { startEtcd } from '#testing';
import { readConfig } from '../config/read-config.js';
import { Trust } from '../config/trust.js';
import { Fleet } from '../store/fleet.js';
import { FleetEditor } from '../store/fleet-editor.js';
import { type CommitResult, Ledger, type LedgerChange } from '../store/ledger.js';
import { eventually } from '../testing/eventually.js';
import { changes, nodeRecord, put, putNode, snapshot, testKeks } from '../testing/records.js';
import { blockPolicy, Rig } from '../testing/rig.js';
import type { TestHost } from '../testing/test-host.js';
import { channelKeyPurpose } from '../records/channel-key.record.js';
import { ChannelKeys } from './channel-keys.js';
import { KeyEncryptionKeys } from '../records/key-encryption-keys.js';

let rig: Rig;
let host: TestHost;
let etcd: EtcdStore;

const keyFile = () => readConfig(rig.files.configFile).keys.channelKeyKeys;
const setKeys = (...keys: readonly string[]) => writeFileSync(keyFile(), keys.join('\n'));

async function keksInEtcd(): Promise<readonly string[]> {
  const { items } = await etcd.list(etcdKeys.keys);
  return items.map(({ value }) => (JSON.parse(value.toString('utf8')) as { kek: string }).kek);
}

/** Served and believed: both need the key that is shared with it. */
async function isWell(policy: string): Promise<void> {
  await rig.rest.post('/v1/apply', blockPolicy(policy, '/usr/bin/nc', { env: 'prod' }));
  await host.receives('first', policy);
  await isBelieved(policy);
}

async function isBelieved(policy: string): Promise<void> {
  await host.report('enforced');
  await eventually('the report is believed', async () => {
    const { body } = await rig.rest.get(`/v1/policies/${policy}/status`);
    const [node] = body['nodes'] as unknown as readonly { readonly state: string }[];
    return node?.state === 'enforced';
  });
}

describe('channel keys in etcd', () => {
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

  it('follow a new key that is put in front, and open when the old one is gone', async () => {
    const old = readFileSync(keyFile(), 'utf8').trim();
    const renewed = KeyEncryptionKeys.generate();
    await rig.stopControlPlane();
    setKeys(renewed, old);
    await rig.startControlPlane();
    const { id } = KeyEncryptionKeys.parse(renewed);
    await eventually('wrapped anew', async () => (await keksInEtcd()).every((kek) => kek === id));
    expect((await rig.rest.get('/v1/audit-log')).text).toContain('keys.rewrapped');
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
      /keys\.channelKeyKeys is .*channel-keys\.secret: does not open.*Restore the file from a backup/,
    );
    const { items } = await etcd.list(etcdKeys.keys);
    const then = items.map(({ key }) => ({ type: 'delete' as const, key }));
    await etcd.transact({ if: [], then });
    await rig.startControlPlane();
    await rig.ready();
    await isWell('second');
  });

  it('are kept in memory where one is damaged: readiness names it, and reports are still believed', async () => {
    const { items } = await etcd.list(etcdKeys.keys);
    const key = items[0]?.key ?? '';
    await etcd.transact({ if: [], then: [{ type: 'put', key, value: '{}' }] });
    await eventually('named', async () => (await rig.rest.get('/readyz')).text.includes(key));
    await isBelieved('first');
  });
});

/** Without an audit log: what is written comes back to the fleet at once. */
class BareLedger extends Ledger {
  constructor(
    private readonly store: EtcdStore,
    private readonly fleet: Fleet,
  ) {
    super();
  }

  override async commit(change: LedgerChange): Promise<CommitResult> {
    const { succeeded, revision } = await this.store.transact(change);
    const puts = change.then.flatMap((write) => (write.type === 'put' ? [write] : []));
    if (succeeded) this.fleet.take(changes(revision, puts));
    return { outcome: succeeded ? 'committed' : 'conflict', revision };
  }
}

function trustOfEpoch(epoch: string): Trust {
  const key = generateSigningKey();
  const signer = loadSigner(key.privateKey);
  const keys = [{ keyid: key.keyid, key: key.key }];
  const kept = { v: 1, version: 2, epoch, expiresAt: 4_000_000_000_000, mode: 'managed' } as const;
  const document = { ...kept, root: { threshold: 1, keys }, authors: [], online: keys };
  const secrets = { epochSecret: Buffer.alloc(32), keks: testKeks };
  return new Trust(trustRoot(signRoot(document, [signer])), signer, secrets);
}

const sealingKey = Buffer.from(
  generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' }).x ?? '',
  'base64url',
).toString('base64');

/** `n0`, `n1`, … without a channel key. */
const keyless = (count: number) =>
  Array.from({ length: count }, (_, index) => {
    const { enrollment, ...record } = nodeRecord(`n${index}`, {}, String(index).padStart(64, '0'));
    return { ...record, enrollment: enrollment && { ...enrollment, sealingKey } };
  });

/** What makes them, of a fleet that has read these. */
async function making(...read: readonly ReturnType<typeof put>[]) {
  const fleet = new Fleet(testKeks);
  const server = await startEtcd();
  const store = EtcdStore.connect({ hosts: [server.url], callTimeoutMs: 20_000 });
  fleet.take(snapshot(1n, ...read));
  const trust = trustOfEpoch('2');
  const editor = new FleetEditor(fleet, new BareLedger(store, fleet), trust);
  const keys = new ChannelKeys(editor, trust, new Log({ write: () => undefined }), fleet);
  const stop = async () => {
    store.close();
    await server.stop();
  };
  return { keys, fleet, store, stop };
}

describe('channel keys of a new epoch', () => {
  it('are made for a fleet of which one transaction does not hold all', async () => {
    const nodes = keyless(7_000);
    const { keys, store, stop } = await making(...nodes.map(putNode));
    try {
      await keys.make(nodes.map(({ name }) => name));
      expect((await store.list(etcdKeys.keys)).items).toHaveLength(nodes.length);
    } finally {
      await stop();
    }
  }, 120_000);

  it('are made for all others where one is in etcd that does not open, and for that host once it is deleted there', async () => {
    const nodes = keyless(3);
    const names = nodes.map(({ name }) => name);
    const key = etcdKeys.key(nodes[1]?.enrollment?.nodeId ?? '', channelKeyPurpose('2'));
    const { keys, fleet, store, stop } = await making(...nodes.map(putNode), put(key, {}));
    const inEtcd = async () =>
      (await store.list(etcdKeys.keys)).items.filter(({ value }) => value.toString() !== '{}');
    try {
      await store.transact({ if: [], then: [{ type: 'put', key, value: '{}' }] });
      await keys.make(names);
      expect(await inEtcd()).toHaveLength(2);
      expect(fleet.state.unreadable.has(key)).toBe(true);
      const affected: string[] = [];
      fleet.onChange(({ nodes: changed }) => affected.push(...changed));
      const { revision } = await store.transact({ if: [], then: [{ type: 'delete', key }] });
      fleet.take(changes(revision, [], [key]));
      expect(affected).toEqual(['n1']);
      await keys.make(names);
      expect(await inEtcd()).toHaveLength(3);
    } finally {
      await stop();
    }
  });
});
