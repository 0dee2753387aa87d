import { beforeEach, expect, it } from '@jest/globals';
import { generateSigningKey, loadSigner, signAuthored, signRoot, trustRoot } from '#bundle';
import { etcdKeys } from '#etcd';
import { Trust } from '../config/trust.js';
import { changes, put, snapshot, testKeks } from '../testing/records.js';
import { AuthoredShelf } from './authored-shelf.js';

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
const refused = () => shelf.refusedKeys(() => true);

let shelf: AuthoredShelf;
beforeEach(() => {
  shelf = new AuthoredShelf(trust);
  shelf.take(snapshot(10n, put(where, p)));
  expect(refused()).toEqual([]);
});

it('what is gone from etcd goes on, and is named until it is there again', () => {
  shelf.take(changes(11n, [], [where]));
  expect(shelf.get('policy', 'p')?.revision).toBe(10n);
  expect([refused(), shelf.isRefused('policy', 'p')]).toEqual([[where], true]);
  shelf.recheck();
  expect([refused(), shelf.revisionOf('policy', 'p')]).toEqual([[where], 0n]);
  shelf.take(changes(12n, [put(where, p)]));
  expect([refused(), shelf.revisionOf('policy', 'p')]).toEqual([[], 12n]);
});

it('what somebody wrote over a document, or took away, is named no more once etcd is put back', () => {
  for (const harm of [changes(11n, [put(where, 'x')]), changes(11n, [], [where])]) {
    shelf.take(harm);
    expect(refused()).toEqual([where]);
    shelf.take(snapshot(10n, put(where, p)));
    expect(refused()).toEqual([]);
  }
});

it('takes what a restored etcd has at a revision at which it had another document', () => {
  const envelope = signAuthored(
    { kind: 'policy', document: { v: 1, name: 'p', version: 2, deleted: true } },
    [signer],
  );
  shelf.take(changes(11n, [], [where]));
  shelf.take(changes(10n, [put(where, envelope)]));
  expect(refused()).toEqual([]);
  expect(shelf.get('policy', 'p')?.envelope).toEqual(envelope);
});

it("labels of an identity that is nobody's any more are not kept, once etcd does not hold them", () => {
  const nodeId = '1'.repeat(64);
  const its = etcdKeys.signedDocument('labels', nodeId);
  const document = { v: 1, nodeId, name: 'web1', version: 1, labels: { a: 'b' } } as const;
  shelf.take(changes(11n, [put(its, signAuthored({ kind: 'labels', document }, [signer]))]));
  shelf.forget(nodeId);
  expect([shelf.heads('labels').length, shelf.revisionOf('labels', nodeId)]).toEqual([1, 11n]);
  shelf.take(changes(12n, [], [its]));
  expect([shelf.heads('labels').length, refused()]).toEqual([1, [its]]);
  shelf.forget(nodeId);
  expect([shelf.heads('labels'), refused()]).toEqual([[], []]);
  expect(shelf.get('policy', 'p')?.revision).toBe(10n);
});
