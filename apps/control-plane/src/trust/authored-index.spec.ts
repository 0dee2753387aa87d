import { beforeEach, expect, it } from '@jest/globals';
import { generateSigningKey, loadSigner, signAuthored, signRoot, trustRoot } from '#bundle';
import { etcdKeys } from '#etcd';
import { Trust } from '../config/trust.js';
import { changes, put, snapshot, testKeks } from '../testing/records.js';
import { AuthoredIndex } from './authored-index.js';

const { privateKey, keyid, key } = generateSigningKey();
const signer = loadSigner(privateKey);
const keys = [{ keyid, key }];
const root = signRoot(
  {
    ...({ v: 1, version: 1, epoch: '1', expiresAt: 4_000_000_000_000, mode: 'authored' } as const),
    ...{ root: { threshold: 1, keys }, authors: keys, online: keys },
  },
  [signer],
);
const trust = new Trust(trustRoot(root), signer, {
  ...{ epochSecret: Buffer.alloc(32, 9), keks: testKeks },
});
const where = etcdKeys.signedDocument('policy', 'p');
const p = signAuthored(
  { kind: 'policy', document: { v: 1, name: 'p', version: 1, deleted: true } },
  [signer],
);
const refused = () => authored.refusedKeys(() => true);

let authored: AuthoredIndex;
beforeEach(() => {
  authored = new AuthoredIndex(trust);
  authored.take(snapshot(10n, put(where, p)));
  expect(refused()).toEqual([]);
});

it('what is gone from etcd goes on, and is named until it is there again', () => {
  authored.take(changes(11n, [], [where]));
  expect(authored.get('policy', 'p')?.revision).toBe(10n);
  expect([refused(), authored.isRefused('policy', 'p')]).toEqual([[where], true]);
  authored.recheck();
  expect([refused(), authored.revisionOf('policy', 'p')]).toEqual([[where], 0n]);
  authored.take(changes(12n, [put(where, p)]));
  expect([refused(), authored.revisionOf('policy', 'p')]).toEqual([[], 12n]);
});

it('what somebody wrote over a document, or took away, is named no more once etcd is put back', () => {
  for (const harm of [changes(11n, [put(where, 'x')]), changes(11n, [], [where])]) {
    authored.take(harm);
    expect(refused()).toEqual([where]);
    authored.take(snapshot(10n, put(where, p)));
    expect(refused()).toEqual([]);
  }
});

it('takes what a restored etcd has at a revision at which it had another document', () => {
  const envelope = signAuthored(
    { kind: 'policy', document: { v: 1, name: 'p', version: 2, deleted: true } },
    [signer],
  );
  authored.take(changes(11n, [], [where]));
  authored.take(changes(10n, [put(where, envelope)]));
  expect(refused()).toEqual([]);
  expect(authored.get('policy', 'p')?.envelope).toEqual(envelope);
});

it("labels of an identity that is nobody's any more are not kept, once etcd does not hold them", () => {
  const nodeId = '1'.repeat(64);
  const its = etcdKeys.signedDocument('labels', nodeId);
  const document = { v: 1, nodeId, name: 'web1', version: 1, labels: { a: 'b' } } as const;
  authored.take(changes(11n, [put(its, signAuthored({ kind: 'labels', document }, [signer]))]));
  authored.forget(nodeId);
  expect([authored.heads('labels').length, authored.revisionOf('labels', nodeId)]).toEqual([
    1,
    11n,
  ]);
  authored.take(changes(12n, [], [its]));
  expect([authored.heads('labels').length, refused()]).toEqual([1, [its]]);
  authored.forget(nodeId);
  expect([authored.heads('labels'), refused()]).toEqual([[], []]);
  expect(authored.get('policy', 'p')?.revision).toBe(10n);
});
