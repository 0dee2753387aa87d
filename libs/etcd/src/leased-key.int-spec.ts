import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EtcdServer, LinkProxy, startEtcd } from '#testing';
import { EtcdStore } from './etcd.store.js';
import { etcdKeys } from './key-layout.js';

const TTL_MS = 3_000;
const KEY = etcdKeys.lease('replica-a');
const DEADLINE_MS = 60_000;

let etcd: EtcdServer;
let link: LinkProxy;
let store: EtcdStore;
let direct: EtcdStore;
beforeAll(async () => {
  etcd = await startEtcd();
  link = await LinkProxy.start(etcd.port);
  store = EtcdStore.connect({ hosts: [`127.0.0.1:${link.port}`] });
  direct = EtcdStore.connect({ hosts: [etcd.url] });
});
afterAll(async () => {
  store.close();
  direct.close();
  await link.stop();
  await etcd.stop();
});

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + DEADLINE_MS;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`did not happen: ${what}`);
    await delay(10);
  }
}
const valueThere = async (): Promise<string | undefined> =>
  (await direct.get(KEY))?.value.toString('utf8');

describe('a key under a lease of a real etcd', () => {
  it('is there for longer than its time, and gone at once when it is given up', async () => {
    const key = store.leasedKey(KEY, TTL_MS);
    key.start();
    await until('it is held', () => key.heldAs !== undefined);
    const { heldAs } = key;
    await delay(2 * TTL_MS);
    expect(key.heldAs).toBe(heldAs);
    expect(await valueThere()).toBe(heldAs);
    await key.stop();
    expect(await valueThere()).toBeUndefined();
  });

  it('is given up by its holder before etcd lets it go, and taken anew when etcd is there again', async () => {
    const key = store.leasedKey(KEY, TTL_MS);
    key.start();
    await until('it is held', () => key.heldAs !== undefined);
    const { heldAs } = key;
    link.cut();
    await until('it is given up', () => key.heldAs === undefined);
    expect(await valueThere()).toBe(heldAs);
    await until('etcd lets it go', async () => (await valueThere()) === undefined);
    link.restore();
    await until('it is held again', () => key.heldAs !== undefined);
    expect(key.heldAs).not.toBe(heldAs);
    expect(await valueThere()).toBe(key.heldAs);
    await key.stop();
  });
});
