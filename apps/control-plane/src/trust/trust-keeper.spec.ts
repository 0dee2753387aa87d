import { expect, it } from '@jest/globals';
import { generateSigningKey, loadSigner, signRoot, trustRoot } from '#bundle';
import { etcdKeys, EtcdStore } from '#etcd';
import { Log } from '#observability';
import { Trust } from '../config/trust.js';
import { changes, testKeks } from '../testing/records.js';
import { AuthoredIndex } from './authored-index.js';
import { TrustKeeper } from './trust-keeper.js';

const online = generateSigningKey();
const signer = loadSigner(online.privateKey);
const key = { keyid: online.keyid, key: online.key };
const root = (version: number) =>
  signRoot(
    {
      ...({ v: 1, version, epoch: '1', expiresAt: 4_000_000_000_000, mode: 'managed' } as const),
      ...{ root: { threshold: 1, keys: [key] }, authors: [], online: [key] },
    },
    [signer],
  );

it('a root document that cannot be kept is in force all the same, and is kept with the next message', () => {
  const kept: number[] = [];
  let isDiskFull = true;
  const file = {
    load: () => [],
    keep: (roots: readonly unknown[]) => {
      if (isDiskFull) throw new Error('ENOSPC');
      kept.push(roots.length);
    },
  };
  const secrets = { epochSecret: Buffer.alloc(32, 9), keks: testKeks };
  const trust = new Trust(trustRoot(root(1)), signer, secrets, file);
  const etcd = EtcdStore.connect({ hosts: ['http://127.0.0.1:1'], callTimeoutMs: 100 });
  const lines: string[] = [];
  const log = new Log({ write: (line) => lines.push(line) });
  const keeper = new TrustKeeper(trust, new AuthoredIndex(trust), etcd, log);
  const put = { key: etcdKeys.rootDocument(2), value: root(2) };

  expect(keeper.take(changes(7n, [put]))).toBe(true);
  expect([trust.root.document.version, kept]).toEqual([2, []]);
  expect(lines.join()).toContain('cannot be kept');
  isDiskFull = false;
  expect(keeper.take(changes(8n, []))).toBe(false);
  expect(keeper.take(changes(9n, []))).toBe(false);
  expect(kept).toEqual([2]);
  etcd.close();
});
