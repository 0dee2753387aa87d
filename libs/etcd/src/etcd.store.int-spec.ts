import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { EtcdServer, LinkProxy, makeTestCertificates, startEtcd } from '#testing';
import { EtcdStore } from './etcd.store.js';
import {
  EtcdOutOfSpace,
  EtcdRefused,
  EtcdUnavailable,
  RevisionCompacted,
  TransactionConflict,
  TransactionTooLarge,
  ValueTooLarge,
} from './errors.js';
import { etcdKeys, internalKeys } from './key-layout.js';
import { Etcd3 } from 'etcd3';
import type { Write } from './store-types.js';

const put = (key: string, value: string): Write => ({ type: 'put', key, value });

describe('the store on one real etcd', () => {
  let etcd: EtcdServer;
  let link: LinkProxy;
  let store: EtcdStore;
  let raw: Etcd3;

  beforeAll(async () => {
    etcd = await startEtcd();
    link = await LinkProxy.start(etcd.port);
    raw = new Etcd3({ hosts: etcd.url });
  });
  beforeEach(() => {
    store = EtcdStore.connect({ hosts: [`127.0.0.1:${link.port}`], callTimeoutMs: 20_000 });
  });
  afterEach(async () => {
    link.restore();
    store.close();
    await raw.delete().all();
  });
  afterAll(async () => {
    raw.close();
    await link.stop();
    await etcd.stop();
  });

  it('pages 10,000 nodes of 0.5 kB, more than 4 MiB, at one revision while others write', async () => {
    const value = 'n'.repeat(512);
    for (let start = 0; start < 10_000; start += 1_000) {
      const then = Array.from({ length: 1_000 }, (_, i) =>
        put(etcdKeys.node(`n${start + i}`), value),
      );
      expect((await store.transact({ then })).form).toBe('nested');
    }
    const before = await store.revision();
    const listing = store.list(etcdKeys.nodes);
    const late = store.transact({ then: [put(etcdKeys.node('late'), 'x')] });
    const { items, revision } = await listing;
    await late;
    expect([10_000, 10_001]).toContain(items.length);
    const again = await store.list(etcdKeys.nodes, { revision: before });
    expect(again.items).toHaveLength(10_000);
    expect(revision).toBeGreaterThanOrEqual(before);
    expect(new Set(again.items.map((item) => item.key)).size).toBe(10_000);
  });

  it('lists 40 values of 1.4 MB, where a page of the usual size is larger than a message', async () => {
    const value = 'v'.repeat(1_400_000);
    for (let i = 0; i < 40; i += 1) {
      await store.transact({ then: [put(etcdKeys.policy(`p${i}`), value)] });
    }
    const { items } = await store.list(etcdKeys.policies);
    expect(items).toHaveLength(40);
    expect(items.every((item) => item.value.length === 1_400_000)).toBe(true);
  });

  it('gives pages of one state when the revision is passed on', async () => {
    await store.transact({ then: ['a', 'b', 'c'].map((name) => put(etcdKeys.group(name), name)) });
    const first = await store.page(etcdKeys.groups, { limit: 2 });
    await store.transact({ then: [{ type: 'delete', key: etcdKeys.group('c') }] });
    const { revision, next: after } = first;
    const second = await store.page(etcdKeys.groups, { limit: 2, after, revision });
    expect(first.items.map((item) => item.key)).toEqual([etcdKeys.group('a'), etcdKeys.group('b')]);
    expect(second.items.map((item) => item.value.toString())).toEqual(['c']);
    expect(second.next).toBeUndefined();
  });

  it.each([
    [1, 'flat'],
    [128, 'flat'],
    [129, 'nested'],
    [3_000, 'nested'],
  ])('makes %i operations visible at one revision (%s)', async (count, form) => {
    const then = Array.from({ length: count }, (_, i) => put(etcdKeys.node(`n${i}`), `${i}`));
    const conditions = then.map(({ key }) => ({ key, exists: false }));
    const result = await store.transact({ if: conditions, then });
    expect(result).toMatchObject({ succeeded: true, form });
    const { items } = await store.list(etcdKeys.nodes);
    expect(items).toHaveLength(count);
    expect(new Set(items.map((item) => item.modRevision))).toEqual(new Set([result.revision]));
  });

  it.each([1, 128, 129, 1_000])(
    'writes nothing of %i operations when the last condition does not hold',
    async (count) => {
      const names = Array.from({ length: count }, (_, i) => etcdKeys.node(`n${i}`));
      await store.transact({ then: [put(names[count - 1] ?? '', 'taken')] });
      const result = await store.transact({
        if: names.map((key) => ({ key, modRevision: 0n })),
        then: names.map((key) => put(key, 'mine')),
      });
      expect(result.succeeded).toBe(false);
      const { items } = await store.list(etcdKeys.nodes);
      expect(items.map((item) => item.value.toString())).toEqual(['taken']);
    },
  );

  it('lets exactly one of 20 concurrent compare-and-swaps win', async () => {
    const key = etcdKeys.joinToken('t');
    const { revision } = await store.transact({ then: [put(key, '0')] });
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        store.transact({ if: [{ key, modRevision: revision }], then: [put(key, `${i}`)] }),
      ),
    );
    expect(results.filter((result) => result.succeeded)).toHaveLength(1);
    expect((await store.get(key))?.version).toBe(2n);
  });

  it('names the keys at fault of a commit that conflicts', async () => {
    const [a, b] = [etcdKeys.policy('a'), etcdKeys.policy('b')];
    await store.transact({ then: [put(a, '1')] });
    const commit = store.commit({
      if: [
        { key: a, exists: false },
        { key: b, exists: false },
      ],
      then: [put(b, '2')],
    });
    await expect(commit).rejects.toThrow(TransactionConflict);
    await expect(commit).rejects.toMatchObject({ keys: [a] });
  });

  describe('with values that exceed one request', () => {
    const document = (i: number): string => `${i}:`.padEnd(20_000, 'd');
    const documents = (count: number): Write[] =>
      Array.from({ length: count }, (_, i) => put(etcdKeys.policy(`p${i}`), document(i)));

    it('makes 400 documents of 20 kB visible at one revision, and resolves them for every reader', async () => {
      const then = documents(400);
      const conditions = then.map(({ key }) => ({ key, exists: false }));
      const result = await store.transact({ if: conditions, then });
      expect(result).toMatchObject({ succeeded: true, form: 'staged' });
      const { items } = await store.list(etcdKeys.policies);
      expect(items).toHaveLength(400);
      expect(new Set(items.map((item) => item.modRevision))).toEqual(new Set([result.revision]));
      expect((await store.get(etcdKeys.policy('p7')))?.value.toString()).toBe(document(7));
      const all = await store.list(etcdKeys.root);
      expect(all.items).toHaveLength(400);
    });

    it('leaves nothing, not even bodies, when a condition does not hold', async () => {
      await store.transact({ then: [put(etcdKeys.policy('p3'), 'taken')] });
      const then = documents(100);
      const result = await store.transact({
        if: then.map(({ key }) => ({ key, exists: false })),
        then,
      });
      expect(result.succeeded).toBe(false);
      expect((await store.list(etcdKeys.policies)).items).toHaveLength(1);
      expect(await raw.getAll().prefix('/hostward/stag').keys()).toEqual([]);
    });

    it('sweeps bodies of a writer that died, or whose key moved on, and no other', async () => {
      await store.transact({ then: documents(100) });
      await store.transact({ then: [put(etcdKeys.policy('p1'), 'small')] });
      await store.transact({ then: [{ type: 'delete', key: etcdKeys.policy('p2') }] });
      await raw.put(internalKeys.stagedBody('dead', etcdKeys.policy('p3'))).value('half');
      await raw.put(internalKeys.stagedBody('alive', etcdKeys.policy('p3'))).value('half');
      await raw.put(internalKeys.staging('alive')).value('open');
      expect(await store.sweep()).toBe(3);
      expect(await store.sweep()).toBe(0);
      const { items } = await store.list(etcdKeys.policies);
      expect(items).toHaveLength(99);
      expect((await store.get(etcdKeys.policy('p3')))?.value.toString()).toBe(document(3));
    });

    it('shows a reader nothing of a writer that is cut off in the middle, and can be tried again', async () => {
      link.cutAfterBytes(2_000);
      const then = documents(400);
      await expect(store.transact({ then })).rejects.toThrow(EtcdUnavailable);
      const bodies = await raw.getAll().prefix(internalKeys.staged).keys();
      expect(bodies.length).toBeGreaterThan(0);
      expect(bodies.length).toBeLessThan(400);
      const other = EtcdStore.connect({ hosts: [etcd.url] });
      expect((await other.list(etcdKeys.root)).items).toHaveLength(0);
      expect((await other.transact({ then })).succeeded).toBe(true);
      expect((await other.list(etcdKeys.root)).items).toHaveLength(400);
      await raw.delete().prefix('/hostward/staging/');
      expect(await other.sweep()).toBe(bodies.length);
      other.close();
    });

    it('refuses a set whose keys alone exceed a request', async () => {
      const then = Array.from({ length: 9_000 }, (_, i) =>
        put(etcdKeys.policy(`${'n'.repeat(150)}${i}`), 'v'.repeat(200)),
      );
      await expect(store.transact({ then })).rejects.toThrow(TransactionTooLarge);
    });
  });

  it('refuses a value that etcd would refuse, before sending it', async () => {
    const then = [put(etcdKeys.policy('huge'), 'v'.repeat(1_600 * 1024))];
    await expect(store.transact({ then })).rejects.toThrow(ValueTooLarge);
  });

  it('keeps a call to its deadline on a link where nothing passes, and other calls pass afterwards', async () => {
    store.close();
    store = EtcdStore.connect({ hosts: [`127.0.0.1:${link.port}`], callTimeoutMs: 2_000 });
    await store.get('/hostward/v1/meta/x');
    link.stall();
    const calls = [
      store.get('/hostward/v1/meta/x'),
      store.list(etcdKeys.root),
      store.transact({ then: [put(etcdKeys.meta('x'), '1')] }),
      store.status(),
    ];
    // Nothing but their own deadline ends them; only of the write nobody knows whether it will have happened.
    const ends = await Promise.allSettled(calls);
    const [read, written] = ['not-applied', 'unknown'].map((outcome) => ({
      status: 'rejected',
      reason: { name: 'EtcdUnavailable', outcome },
    }));
    expect(ends).toMatchObject([read, read, written, read]);
    link.restore();
    expect(await store.get('/hostward/v1/meta/none')).toBeUndefined();
  });

  it('says of a write to an etcd that nobody can reach that it did not happen', async () => {
    const nowhere = EtcdStore.connect({ hosts: ['127.0.0.1:1'], callTimeoutMs: 20_000 });
    const write = nowhere.transact({ then: [put(etcdKeys.meta('x'), '1')] });
    await expect(write).rejects.toMatchObject({ name: 'EtcdUnavailable', outcome: 'not-applied' });
    nowhere.close();
  });

  it('moves on to the host that answers', async () => {
    const both = EtcdStore.connect({ hosts: ['127.0.0.1:1', etcd.url], callTimeoutMs: 20_000 });
    expect((await both.transact({ then: [put(etcdKeys.meta('x'), '1')] })).succeeded).toBe(true);
    expect((await both.get(etcdKeys.meta('x')))?.value.toString()).toBe('1');
    both.close();
  });

  it('says so when a revision asked for was compacted', async () => {
    const { revision } = await store.transact({ then: [put(etcdKeys.meta('x'), '1')] });
    await store.transact({ then: [put(etcdKeys.meta('x'), '2')] });
    const now = await store.revision();
    await raw.kv.compact({ revision: now.toString() });
    await expect(store.get(etcdKeys.meta('x'), { revision })).rejects.toThrow(RevisionCompacted);
  });

  it('tells revision, leader and size', async () => {
    const status = await store.status();
    expect(status).toMatchObject({ leader: status.member, alarms: [] });
    expect(status.version).toMatch(/^3\./);
    expect(status.databaseBytes).toBeGreaterThan(0);
  });
});

describe('the store on an etcd with a small quota', () => {
  it('says that the space is used up, and shows the alarm', async () => {
    const etcd = await startEtcd({ args: ['--quota-backend-bytes=4194304'] });
    const store = EtcdStore.connect({ hosts: [etcd.url] });
    try {
      const fill = async (): Promise<void> => {
        for (let i = 0; i < 50; i += 1) {
          await store.transact({ then: [put(etcdKeys.meta('big'), 'v'.repeat(1_000_000))] });
        }
      };
      await expect(fill()).rejects.toThrow(EtcdOutOfSpace);
      expect((await store.status()).alarms).toEqual(['NOSPACE']);
    } finally {
      store.close();
      await etcd.stop();
    }
  });
});

describe('the store on an etcd with TLS and client certificates', () => {
  it('connects with the right authority and refuses without a certificate', async () => {
    const tls = await makeTestCertificates();
    const etcd = await startEtcd({ tls });
    const ca = Buffer.from(tls.ca);
    const pair = { cert: Buffer.from(tls.cert), key: Buffer.from(tls.key) };
    const store = EtcdStore.connect({ hosts: [etcd.url], credentials: { ca, ...pair } });
    const without = EtcdStore.connect({
      hosts: [etcd.url],
      credentials: { ca },
      callTimeoutMs: 1_000,
    });
    try {
      await store.transact({ then: [put(etcdKeys.meta('x'), '1')] });
      expect((await store.get(etcdKeys.meta('x')))?.value.toString()).toBe('1');
      await expect(without.get(etcdKeys.meta('x'))).rejects.toThrow(EtcdUnavailable);
    } finally {
      store.close();
      without.close();
      await etcd.stop();
    }
  });

  it('keeps to the name that a server must carry when it takes a new certificate', async () => {
    const tls = await makeTestCertificates('etcd.example');
    const etcd = await startEtcd({ tls });
    const pem = (text: string): Buffer => Buffer.from(text);
    const own = { ca: pem(tls.ca), cert: pem(tls.cert), key: pem(tls.key) };
    const credentials = { ...own, serverName: 'etcd.example' };
    const store = EtcdStore.connect({ hosts: [etcd.url], credentials });
    const elsewhere = EtcdStore.connect({ hosts: ['https://192.0.2.1:2379'], credentials });
    try {
      await store.transact({ then: [put(etcdKeys.meta('x'), '1')] });
      store.useCertificate(own);
      expect((await store.get(etcdKeys.meta('x')))?.value.toString()).toBe('1');
      // An address for which no name goes by itself.
      elsewhere.useCertificate(own);
    } finally {
      store.close();
      elsewhere.close();
      await etcd.stop();
    }
  });
});

describe('the store on an etcd with users', () => {
  it('says what was refused for a user without the permission', async () => {
    const etcd = await startEtcd();
    const root = new Etcd3({ hosts: etcd.url });
    await root.user('root').create('secret');
    await root.role('root').create();
    await root.user('root').addRole('root');
    await root.user('guest').create('guest');
    await root.auth.authEnable();
    const auth = { username: 'guest', password: 'guest' };
    const store = EtcdStore.connect({ hosts: [etcd.url], auth });
    try {
      await expect(store.get(etcdKeys.meta('x'))).rejects.toThrow(EtcdRefused);
    } finally {
      store.close();
      root.close();
      await etcd.stop();
    }
  });
});
