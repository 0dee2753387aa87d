import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AUDIT_LOG_START,
  brokenAuditLogAt,
  generateSigningKey,
  auditLogEntry,
  loadSigner,
  signAuditLogHead,
  verifyAuditLogHead,
  type AuditLogEntry,
} from '#bundle';
import { EtcdStore, etcdKeys } from '#etcd';
import { Log } from '#observability';
import { LinkProxy, startEtcd, type EtcdServer } from '#testing';
import { leaveNote, tellOfRestore } from './restored-note.js';
import { SystemClock } from '../http/clock.js';
import { eventually } from '../testing/eventually.js';
import { PostgresPlace, SqlitePlace, type StorePlace } from '../testing/store-places.js';
import { snapshot } from '../testing/records.js';
import { EtcdLedger } from './etcd-ledger.js';
import { readEntries } from './audit-log-record.js';
import type { AuditLogStore } from './audit-log.store.js';
import { SignedAuditLog } from './signed-audit-log.js';

const [HEAD, TAIL] = [etcdKeys.auditLog('head'), etcdKeys.auditLog('tail')];
const signer = loadSigner(generateSigningKey().privateKey);
const log = new Log({ level: 'error', write: () => undefined });

let server: EtcdServer;
let etcd: EtcdStore;
let place: StorePlace;
let store: AuditLogStore;
beforeAll(async () => {
  server = await startEtcd();
  etcd = EtcdStore.connect({ hosts: [server.url] });
});
afterAll(async () => {
  etcd.close();
  await server.stop();
});
beforeEach(async () => {
  await etcd.transact({
    then: [
      { type: 'delete', key: HEAD },
      { type: 'delete', key: TAIL },
    ],
  });
});

function usePlace(used: StorePlace): void {
  beforeAll(() => used.start());
  afterAll(() => used.stop());
  beforeEach(async () => {
    await used.empty();
    place = used;
    store = used.auditLog();
  });
  afterEach(() => used.close());
}

const signedOn = (on: AuditLogStore) => new SignedAuditLog(on, signer, new SystemClock());
const ledgerOn = (on: AuditLogStore) => new EtcdLedger(etcd, signedOn(on), new SystemClock(), log);
const tell = async (ledger: EtcdLedger, ...targets: string[]) => {
  for (const target of targets) await ledger.record({ by: 'admin', action: 'apply', target });
};
const entries = () => signedOn(store).from(1, 1_000);
const objects = async () => (await entries()).map(({ object }) => object);
const broken = async () => brokenAuditLogAt(AUDIT_LOG_START, await entries());
const head = async () => verifyAuditLogHead(await signedOn(store).head(), signedOn(store).keys);
const tail = async () => {
  const found = await etcd.get(TAIL);
  return found ? readEntries(found.value.toString('utf8')).map(({ object }) => object) : [];
};
/** A store whose disk is full for as long as the test says. */
function fullDisk(): { store: AuditLogStore; full: boolean } {
  const opened = place.auditLog();
  const add = opened.add.bind(opened);
  const disk = { store: opened, full: false };
  opened.add = (...args) =>
    disk.full ? Promise.reject(new Error('database or disk is full')) : add(...args);
  return disk;
}

/** A store whose disk takes what is there at the start, and nothing after it until the power is cut. */
function slowDisk(opened: AuditLogStore): AuditLogStore {
  const sync = opened.sync.bind(opened);
  let syncs = 0;
  opened.sync = () => {
    syncs += 1;
    return syncs === 1 ? sync() : new Promise(() => undefined);
  };
  return opened;
}

describe.each<[string, StorePlace]>([
  ['SQLite', new SqlitePlace()],
  ['PostgreSQL', new PostgresPlace()],
])('the audit log in %s', (_title, used) => {
  usePlace(used);

  it('is one chain whose head is in etcd and signed, whoever of several writes', async () => {
    const replicas = [1, 2, 3].map(() => ledgerOn(place.auditLog()));
    await Promise.all(
      replicas.map((ledger, i) => tell(ledger, ...[1, 2, 3, 4].map((n) => `r${i}-${n}`))),
    );
    expect((await entries()).map(({ seq }) => seq)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ]);
    expect(await broken()).toBeUndefined();
    expect(await head()).toMatchObject({ seq: 12, hash: (await entries()).at(-1)?.hash });
    const revisions = (await entries()).map(({ revision }) => BigInt(revision));
    expect(revisions.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(revisions);
  });

  it('loses nothing when the process dies between etcd and the store', async () => {
    const disk = fullDisk();
    await tell(ledgerOn(disk.store), 'a');
    disk.full = true;
    await tell(ledgerOn(disk.store), 'b');
    expect(await objects()).toEqual(['a']);
    await ledgerOn(store).settle({ repair: true });
    expect([await objects(), await broken(), (await head()).seq]).toEqual([
      ['a', 'b'],
      undefined,
      2,
    ]);
  });

  it.each([
    ['all that no disk had yet', 0],
    ['what the disk had not', 3],
    ['nothing where the disk had all', 5],
  ])('gets back from etcd after a power cut: %s', async (_title, had) => {
    const disk = slowDisk(place.auditLog());
    await tell(ledgerOn(disk), 'a', 'b', 'c', 'd', 'e');
    expect(await objects()).toEqual(['a', 'b', 'c', 'd', 'e']);
    place.sql(`DELETE FROM ${place.auditLogTable} WHERE seq > ${had}`);
    await ledgerOn(store).settle({ repair: true });
    expect([await objects(), await broken()]).toEqual([['a', 'b', 'c', 'd', 'e'], undefined]);
    await tell(ledgerOn(store), 'f');
    expect([(await objects()).at(-1), await broken()]).toEqual(['f', undefined]);
  });

  it.each([
    ['follow nothing', () => [forged({ seq: 2, prev: '1'.repeat(64) })]],
    ['are no entries', () => [{ seq: 2 }]],
    ['are an old tail', async () => (await entries()).slice(0, 1)],
  ])('is not misled by a tail in etcd whose entries %s', async (_title, value) => {
    await tell(ledgerOn(store), 'a', 'b', 'c');
    const put = { type: 'put', key: TAIL, value: JSON.stringify(await value()) } as const;
    await etcd.transact({ then: [put] });
    expect(await ledgerOn(store).settle({ repair: true })).toBeUndefined();
    await tell(ledgerOn(store), 'd');
    expect([await objects(), await broken()]).toEqual([['a', 'b', 'c', 'd'], undefined]);
  });

  it('refuses the next write while the disk is full, and goes on when it is not', async () => {
    const disk = fullDisk();
    const ledger = ledgerOn(disk.store);
    disk.full = true;
    await tell(ledger, 'kept in etcd');
    const put = { type: 'put', key: etcdKeys.meta('x'), value: '1' } as const;
    const auditLog = { by: 'admin', action: 'apply', target: 'refused' };
    await expect(ledger.commit({ if: [], then: [put], auditLog })).rejects.toMatchObject({
      kind: 'unavailable',
    });
    expect(await etcd.get(etcdKeys.meta('x'))).toBeUndefined();
    expect(ledger.health()).toMatchObject({ ok: false, detail: expect.stringContaining('full') });
    disk.full = false;
    await tell(ledger, 'after');
    expect(ledger.health().ok).toBe(true);
    expect([await objects(), await broken()]).toEqual([['kept in etcd', 'after'], undefined]);
  });

  it('goes on after the signed entries when etcd was restored to an older state, and says so', async () => {
    const ledger = ledgerOn(store);
    await tell(ledger, 'a', 'b');
    const old = await etcd.get(HEAD);
    await tell(ledger, 'c', 'd');
    await etcd.transact({ then: [{ type: 'put', key: HEAD, value: old?.value ?? '' }] });
    await tell(ledger, 'e');
    expect(await objects()).toEqual(['a', 'b', 'c', 'd', 'after 4', 'e']);
    expect((await entries())[4]).toMatchObject({
      action: 'audit-log.resumed',
      detail: { foundSeq: 2 },
    });
    expect(await broken()).toBeUndefined();
  });

  it.each([
    ['is removed', undefined],
    ['is made unreadable', 'nonsense'],
    [
      'is replaced by a forged one of the same number',
      JSON.stringify(forged({ seq: 3, prev: '1'.repeat(64) })),
    ],
    [
      'is replaced by one that follows nothing',
      JSON.stringify(forged({ seq: 4, prev: '1'.repeat(64) })),
    ],
    [
      'is replaced by one of which no hash can be made',
      JSON.stringify({
        ...forged({ seq: 9, prev: '1'.repeat(64) }),
        ...{ detail: { half: '\ud800' } },
      }),
    ],
  ])('keeps to the signed entries when its head in etcd %s', async (_title, value) => {
    await tell(ledgerOn(store), 'a', 'b', 'c');
    const write =
      value === undefined
        ? ({ type: 'delete', key: HEAD } as const)
        : ({ type: 'put', key: HEAD, value } as const);
    await etcd.transact({ then: [write] });
    expect(await ledgerOn(store).settle({ repair: true })).toBe('after 3');
    await tell(ledgerOn(store), 'd');
    expect([await objects(), await broken()]).toEqual([['a', 'b', 'c', 'after 3', 'd'], undefined]);
  });

  it('shows no entry that the online key did not sign, and sets it aside with the next write', async () => {
    await tell(ledgerOn(store), 'a');
    const entry = forged({ seq: 2, prev: (await entries())[0]?.hash ?? '' });
    const other = loadSigner(generateSigningKey().privateKey);
    await store.add(entry, signAuditLogHead({ v: 1, seq: 2, hash: entry.hash, at: 1 }, other));
    expect(await objects()).toEqual(['a']);
    await tell(ledgerOn(store), 'b');
    expect([await objects(), await broken()]).toEqual([['a', 'b'], undefined]);
  });

  it.each([
    ['edited', "UPDATE TABLE SET body = replace(body, 'apply', 'login') WHERE seq = 2", 2],
    ['made unreadable', "UPDATE TABLE SET body = 'x' WHERE seq = 2", 2],
    ['taken out', 'DELETE FROM TABLE WHERE seq = 3', 3],
  ])(
    'shows where an entry was %s behind its back, also after more was written',
    async (_title, text, at) => {
      const ledger = ledgerOn(store);
      await tell(ledger, 'a', 'b', 'c', 'd');
      place.sql(text.replace('TABLE', place.auditLogTable));
      expect(await broken()).toBe(at);
      await tell(ledgerOn(store), 'e');
      expect(await broken()).toBe(at);
    },
  );

  it('shows entries that were cut off at the end', async () => {
    await tell(ledgerOn(store), 'a', 'b', 'c', 'd');
    // Another one: by then the disk has all before, so that etcd holds the newest alone.
    await tell(ledgerOn(store), 'e');
    place.sql(`DELETE FROM ${place.auditLogTable} WHERE seq > 2`);
    await tell(ledgerOn(store), 'f');
    expect(await broken()).toBe(3);
  });

  it('vouches for no entry of a chain that was computed anew', async () => {
    await tell(ledgerOn(store), 'a', 'b');
    await tell(ledgerOn(store), 'c');
    let prev = (await entries())[0]?.hash ?? '';
    for (const seq of [2, 3]) {
      const entry = forged({ seq, prev });
      prev = entry.hash;
      place.sql(
        `UPDATE ${place.auditLogTable} SET body = '${JSON.stringify(entry)}' WHERE seq = ${seq}`,
      );
    }
    expect(await signedOn(store).headAt(1)).toBeDefined();
    expect(await signedOn(store).headAt(2)).toBeUndefined();
    await tell(ledgerOn(store), 'd');
    expect(await broken()).toBe(3);
    expect(await signedOn(store).headAt(2)).toBeUndefined();
  });

  it('says of an entry whether it is added, known, or another one, whoever added it', async () => {
    const [other, third] = [place.auditLog(), place.auditLog()];
    const first = forged({ seq: 1, prev: AUDIT_LOG_START.hash });
    const changed = auditLogEntry({ ...unhashed(first), object: 'changed' });
    const signed = signAuditLogHead({ v: 1, seq: 1, hash: first.hash, at: 1 }, signer);
    const said = await Promise.all([store, other, third].map((each) => each.add(first, signed)));
    expect(said.toSorted()).toEqual(['added', 'known', 'known']);
    expect(await other.add(changed, signed)).toBe('differs');
    expect(await store.get(1)).toEqual({ entry: first, head: signed });
    await store.sync();
  });

  it('answers in pages both ways, and keeps what is set aside as evidence', async () => {
    await tell(ledgerOn(store), 'a', 'b', 'c', 'd');
    const seqs = (found: readonly AuditLogEntry[]) => found.map(({ seq }) => seq);
    expect(seqs(await store.before(4, 2))).toEqual([3, 2]);
    expect(seqs(await store.from(2, 2))).toEqual([2, 3]);
    expect((await store.newest(2)).map(({ entry }) => entry.seq)).toEqual([4, 3]);
    expect(await store.get(5)).toBeUndefined();
    expect([await store.setAside(2), await store.setAside(2)]).toEqual([2, 0]);
    expect(seqs(await store.from(1, 10))).toEqual([1, 2]);
  });

  it('has nothing later than a restored etcd, and tells of the restore, by each replica', async () => {
    const ledger = ledgerOn(store);
    await tell(ledger, 'a', 'b');
    const old = await etcd.get(HEAD);
    await tell(ledger, 'c', 'd');
    const then = [{ type: 'put', key: HEAD, value: old?.value ?? '' }] as const;
    await etcd.transact({ then: [...then, { type: 'delete', key: TAIL }] });
    const parts = { etcd, signer, clock: new SystemClock(), log };
    const told = { v: 1, backupAt: 1, restoredAt: 2, revision: 1, goesOnAt: 2 } as const;
    for (const replica of [store, place.auditLog()]) {
      const folder = mkdtempSync(join(tmpdir(), 'hw-restored-'));
      leaveNote(folder, told, signer);
      await tellOfRestore(folder, { ...parts, store: replica });
      rmSync(folder, { recursive: true });
    }
    const last = (await entries()).slice(2);
    expect(last.map(({ seq, action, detail }) => [seq, action, detail['setAside']])).toEqual([
      [3, 'audit-log.restored', 2],
      [4, 'audit-log.restored', 0],
    ]);
    expect([(await objects()).slice(0, 2), await broken()]).toEqual([['a', 'b'], undefined]);
  });

  it('finds entries that tell of a restore, and no others', async () => {
    const told = { by: 'hostward', action: 'audit-log.restored', target: 'x' };
    await tell(ledgerOn(store), 'a', '"action":"audit-log.restored"');
    await ledgerOn(store).record(told);
    expect((await store.restorations()).map(({ entry }) => entry.seq)).toEqual([3]);
  });
});

describe.each<[string, StorePlace]>([
  ['SQLite', new SqlitePlace()],
  ['PostgreSQL', new PostgresPlace()],
])('a change that etcd does not answer, with the audit log in %s', (_title, used) => {
  usePlace(used);
  const key = etcdKeys.meta('unanswered');
  const change = {
    if: [{ key, exists: false }],
    then: [{ type: 'put', key, value: '1' } as const],
    auditLog: { by: 'admin', action: 'put', target: 'b' },
  };
  let link: LinkProxy;
  let far: EtcdStore;
  let ledger: EtcdLedger;

  beforeEach(async () => {
    await etcd.transact({ then: [{ type: 'delete', key }] });
    link = await LinkProxy.start(server.port);
    far = EtcdStore.connect({ hosts: [`127.0.0.1:${link.port}`], callTimeoutMs: 500 });
    ledger = new EtcdLedger(far, signedOn(store), new SystemClock(), log);
    await tell(ledger, 'a');
  });
  afterEach(async () => {
    far.close();
    await link.stop();
  });

  const happened = () =>
    eventually('the change is in etcd', async () => (await etcd.get(key))?.modRevision);

  it('has happened where the head says so, at its own revision, and is told once', async () => {
    link.stallAnswers();
    const answer = ledger.commit(change);
    const revision = await happened();
    await delay(600);
    link.restore();
    expect(await answer).toEqual({ outcome: 'committed', revision });
    expect((await etcd.get(key))?.version).toBe(1n);
    await tell(ledger, 'c');
    expect([await objects(), await broken()]).toEqual([['a', 'b', 'c'], undefined]);
  });

  it('has happened where others have gone on from it', async () => {
    link.stallAnswers();
    const answer = ledger.commit(change);
    const revision = await happened();
    await tell(ledgerOn(store), 'c', 'd');
    link.restore();
    expect(await answer).toEqual({ outcome: 'committed', revision });
    expect([await objects(), await broken()]).toEqual([['a', 'b', 'c', 'd'], undefined]);
  });

  it('happens after what others did, where it had not', async () => {
    link.stall();
    const answer = ledger.commit(change);
    await delay(700);
    await tell(ledgerOn(store), 'c');
    link.restore();
    const revision = await happened();
    expect(await answer).toEqual({ outcome: 'committed', revision });
    expect((await etcd.get(key))?.version).toBe(1n);
    expect([await objects(), await broken()]).toEqual([['a', 'c', 'b'], undefined]);
  });

  it('waits for an etcd that is away for less than 5 s, whether it had been sent or not', async () => {
    link.cut();
    await expect(far.get(key)).rejects.toMatchObject({ outcome: 'not-applied' });
    const answers = [ledger.commit(change), tell(ledger, 'c')];
    await delay(300);
    link.restore();
    expect((await Promise.all(answers))[0]).toMatchObject({ outcome: 'committed' });
    expect([await objects(), await broken()]).toEqual([['a', 'b', 'c'], undefined]);
  });

  it('does not wait 5 s for each that waits for its turn', async () => {
    link.cut();
    const since = performance.now();
    const answers = await Promise.allSettled(
      Array.from({ length: 6 }, () => ledger.commit(change)),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 'rejected'));
    // One after another they would take 30 s.
    expect(performance.now() - since).toBeLessThan(25_000);
  });

  it('is said to be unknown where etcd stays away, and what comes after it to have not happened', async () => {
    link.stall();
    await expect(ledger.commit(change)).rejects.toMatchObject({ outcome: 'unknown' });
    await expect(ledger.commit(change)).rejects.toMatchObject({ outcome: 'not-applied' });
  });
});

describe('the audit log in files', () => {
  const files = new SqlitePlace();
  usePlace(files);

  it('holds entries in etcd beside the head only until the disk has them', async () => {
    await tell(ledgerOn(slowDisk(files.auditLog('other.db'))), 'a', 'b', 'c');
    expect(await tail()).toEqual(['a', 'b']);
    await tell(ledgerOn(store), 'd');
    await tell(ledgerOn(store), 'e');
    expect([await objects(), await tail()]).toEqual([['a', 'b', 'c', 'd', 'e'], []]);
  });

  it('is on the disk although the log of its file was taken away', async () => {
    await tell(ledgerOn(store), 'a');
    rmSync(join(files.folder, 'audit-log.db-wal'));
    await tell(ledgerOn(store), 'b');
    await store.sync();
    // What a power cut leaves: the file alone.
    copyFileSync(join(files.folder, 'audit-log.db'), join(files.folder, 'left.db'));
    const left = files.auditLog('left.db');
    expect(await signedOn(left).from(1, 10)).toEqual(await entries());
  });

  it('reaches the store of a replica that has one of its own', async () => {
    const other = files.auditLog('other.db');
    const follower = ledgerOn(other);
    const ledger = ledgerOn(store);
    for (const target of ['a', 'b', 'c']) {
      await tell(ledger, target);
      const found = await etcd.get(HEAD);
      if (!found) throw new Error('no head');
      const items = [found];
      await follower.follow({ ...snapshot(found.modRevision), items });
    }
    expect(await signedOn(other).from(1, 10)).toEqual(await entries());
  });
});

describe('the audit log in a PostgreSQL that is away', () => {
  const database = new PostgresPlace();
  usePlace(database);

  it('refuses writes, also of a replica that starts then, says why, and goes on by itself', async () => {
    const running = ledgerOn(store);
    const starting = ledgerOn(place.auditLog());
    await tell(running, 'a');
    await database.server.kill9();
    // Its transaction was under way: it happens, and etcd holds the entry.
    await tell(running, 'b');
    for (const ledger of [running, starting]) {
      await expect(tell(ledger, 'refused')).rejects.toMatchObject({ kind: 'unavailable' });
      expect(ledger.health()).toMatchObject({ ok: false, detail: expect.stringContaining('away') });
    }
    await database.server.restart();
    for (const ledger of [running, starting]) {
      await ledger.retry();
      expect(ledger.health().ok).toBe(true);
    }
    await tell(starting, 'c');
    expect([await objects(), await broken()]).toEqual([['a', 'b', 'c'], undefined]);
  });
});

function forged({ seq, prev }: { readonly seq: number; readonly prev: string }): AuditLogEntry {
  return auditLogEntry({
    v: 1,
    seq,
    time: '2026-03-01T12:00:00.000Z',
    actor: 'admin',
    source: '',
    action: 'apply',
    object: 'forged',
    revision: '1',
    outcome: 'done',
    detail: {},
    prev,
  });
}

function unhashed({ hash: _, ...content }: AuditLogEntry): Omit<AuditLogEntry, 'hash'> {
  return content;
}
