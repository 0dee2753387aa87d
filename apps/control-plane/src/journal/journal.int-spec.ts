import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  JOURNAL_START,
  brokenJournalAt,
  generateSigningKey,
  journalEntry,
  loadSigner,
  signJournalHead,
  verifyJournalHead,
  type JournalEntry,
} from '#bundle';
import { EtcdStore, etcdKeys } from '#etcd';
import { Log } from '#observability';
import { startEtcd, type EtcdServer } from '#testing';
import { SystemClock } from '../clock.js';
import { EtcdLedger } from './etcd-ledger.js';
import { readEntries } from './journal-record.js';
import type { JournalStore } from './journal.store.js';
import { SignedJournal } from './signed-journal.js';
import { SqliteJournalStore } from './sqlite-journal.store.js';

const [HEAD, TAIL] = [etcdKeys.journal('head'), etcdKeys.journal('tail')];
const signer = loadSigner(generateSigningKey().privateKey);
const log = new Log({ level: 'error', write: () => undefined });

let server: EtcdServer;
let etcd: EtcdStore;
let folder: string;
let store: SqliteJournalStore;
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
  folder = mkdtempSync(join(tmpdir(), 'hw-journal-'));
  store = new SqliteJournalStore(join(folder, 'journal.db'));
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

const signedOn = (on: JournalStore) => new SignedJournal(on, signer, new SystemClock());
const ledgerOn = (on: JournalStore) => new EtcdLedger(etcd, signedOn(on), new SystemClock(), log);
const tell = async (ledger: EtcdLedger, ...targets: string[]) => {
  for (const target of targets) await ledger.record({ by: 'admin', action: 'apply', target });
};
const entries = () => signedOn(store).from(1, 1_000);
const objects = () => entries().map(({ object }) => object);
const broken = () => brokenJournalAt(JOURNAL_START, entries());
const head = () => verifyJournalHead(signedOn(store).head(), signedOn(store).keys);
const tail = async () => {
  const found = await etcd.get(TAIL);
  return found ? readEntries(found.value.toString('utf8')).map(({ object }) => object) : [];
};
const sql = (text: string) => {
  const db = new DatabaseSync(join(folder, 'journal.db'));
  db.exec(text);
  db.close();
};

/** A store whose disk is full for as long as the test says. */
class FullDisk extends SqliteJournalStore {
  full = false;

  override add(...args: Parameters<SqliteJournalStore['add']>) {
    if (this.full) throw new Error('database or disk is full');
    return super.add(...args);
  }
}

/** A store whose disk takes what is there at the start, and nothing after it until the power is cut. */
class SlowDisk extends SqliteJournalStore {
  #syncs = 0;

  override sync(): Promise<void> {
    this.#syncs += 1;
    return this.#syncs === 1 ? super.sync() : new Promise(() => undefined);
  }
}

describe('the journal', () => {
  it('is one chain whose head is in etcd and signed, whoever of several writes', async () => {
    const replicas = [ledgerOn(store), ledgerOn(store), ledgerOn(store)];
    await Promise.all(
      replicas.map((ledger, i) => tell(ledger, ...[1, 2, 3, 4].map((n) => `r${i}-${n}`))),
    );
    expect(entries().map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(broken()).toBeUndefined();
    expect(head()).toMatchObject({ seq: 12, hash: entries().at(-1)?.hash });
    const revisions = entries().map(({ revision }) => BigInt(revision));
    expect(revisions.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(revisions);
  });

  it('loses nothing when the process dies between etcd and the store', async () => {
    const disk = new FullDisk(join(folder, 'journal.db'));
    await tell(ledgerOn(disk), 'a');
    disk.full = true;
    await tell(ledgerOn(disk), 'b');
    disk.close();
    expect(objects()).toEqual(['a']);
    await ledgerOn(store).settle({ repair: true });
    expect([objects(), broken(), head().seq]).toEqual([['a', 'b'], undefined, 2]);
  });

  it.each([
    ['all that no disk had yet', 0],
    ['what the disk had not', 3],
    ['nothing where the disk had all', 5],
  ])('gets back from etcd after a power cut: %s', async (_title, had) => {
    const disk = new SlowDisk(join(folder, 'journal.db'));
    await tell(ledgerOn(disk), 'a', 'b', 'c', 'd', 'e');
    expect(objects()).toEqual(['a', 'b', 'c', 'd', 'e']);
    disk.close();
    sql(`DELETE FROM entries WHERE seq > ${had}`);
    await ledgerOn(store).settle({ repair: true });
    expect([objects(), broken()]).toEqual([['a', 'b', 'c', 'd', 'e'], undefined]);
    await tell(ledgerOn(store), 'f');
    expect([objects().at(-1), broken()]).toEqual(['f', undefined]);
  });

  it('holds entries in etcd beside the head only until the disk has them', async () => {
    await tell(ledgerOn(new SlowDisk(join(folder, 'other.db'))), 'a', 'b', 'c');
    expect(await tail()).toEqual(['a', 'b']);
    await tell(ledgerOn(store), 'd');
    await tell(ledgerOn(store), 'e');
    expect([objects(), await tail()]).toEqual([['a', 'b', 'c', 'd', 'e'], []]);
  });

  it.each([
    ['follow nothing', () => [forged({ seq: 2, prev: '1'.repeat(64) })]],
    ['are no entries', () => [{ seq: 2 }]],
    ['are an old tail', () => entries().slice(0, 1)],
  ])('is not misled by a tail in etcd whose entries %s', async (_title, value) => {
    await tell(ledgerOn(store), 'a', 'b', 'c');
    const put = { type: 'put', key: TAIL, value: JSON.stringify(value()) } as const;
    await etcd.transact({ then: [put] });
    expect(await ledgerOn(store).settle({ repair: true })).toBeUndefined();
    await tell(ledgerOn(store), 'd');
    expect([objects(), broken()]).toEqual([['a', 'b', 'c', 'd'], undefined]);
  });

  it('is on the disk although the log of its file was taken away', async () => {
    await tell(ledgerOn(store), 'a');
    rmSync(join(folder, 'journal.db-wal'));
    await tell(ledgerOn(store), 'b');
    await store.sync();
    // What a power cut leaves: the file alone.
    copyFileSync(join(folder, 'journal.db'), join(folder, 'left.db'));
    const left = new SqliteJournalStore(join(folder, 'left.db'));
    expect(signedOn(left).from(1, 10)).toEqual(entries());
    left.close();
  });

  it('refuses the next write while the disk is full, and goes on when it is not', async () => {
    const disk = new FullDisk(join(folder, 'journal.db'));
    const ledger = ledgerOn(disk);
    disk.full = true;
    await tell(ledger, 'kept in etcd');
    const put = { type: 'put', key: etcdKeys.meta('x'), value: '1' } as const;
    const journal = { by: 'admin', action: 'apply', target: 'refused' };
    await expect(ledger.commit({ if: [], then: [put], journal })).rejects.toMatchObject({
      kind: 'unavailable',
    });
    expect(await etcd.get(etcdKeys.meta('x'))).toBeUndefined();
    expect(ledger.health()).toMatchObject({ ok: false, detail: expect.stringContaining('full') });
    disk.full = false;
    await tell(ledger, 'after');
    expect(ledger.health().ok).toBe(true);
    disk.close();
    expect([objects(), broken()]).toEqual([['kept in etcd', 'after'], undefined]);
  });

  it('goes on after the signed entries when etcd was restored to an older state, and says so', async () => {
    const ledger = ledgerOn(store);
    await tell(ledger, 'a', 'b');
    const old = await etcd.get(HEAD);
    await tell(ledger, 'c', 'd');
    await etcd.transact({ then: [{ type: 'put', key: HEAD, value: old?.value ?? '' }] });
    await tell(ledger, 'e');
    expect(objects()).toEqual(['a', 'b', 'c', 'd', 'after 4', 'e']);
    expect(entries()[4]).toMatchObject({ action: 'journal.resumed', detail: { foundSeq: 2 } });
    expect(broken()).toBeUndefined();
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
  ])('keeps to the signed entries when its head in etcd %s', async (_title, value) => {
    await tell(ledgerOn(store), 'a', 'b', 'c');
    const write =
      value === undefined
        ? ({ type: 'delete', key: HEAD } as const)
        : ({ type: 'put', key: HEAD, value } as const);
    await etcd.transact({ then: [write] });
    expect(await ledgerOn(store).settle({ repair: true })).toBe('after 3');
    await tell(ledgerOn(store), 'd');
    expect([objects(), broken()]).toEqual([['a', 'b', 'c', 'after 3', 'd'], undefined]);
  });

  it('shows no entry that the online key did not sign, and sets it aside with the next write', async () => {
    await tell(ledgerOn(store), 'a');
    const entry = forged({ seq: 2, prev: entries()[0]?.hash ?? '' });
    const other = loadSigner(generateSigningKey().privateKey);
    store.add(entry, signJournalHead({ v: 1, seq: 2, hash: entry.hash, at: 1 }, other));
    expect(objects()).toEqual(['a']);
    await tell(ledgerOn(store), 'b');
    expect([objects(), broken()]).toEqual([['a', 'b'], undefined]);
  });

  it.each([
    ['edited', "UPDATE entries SET body = replace(body, 'apply', 'login') WHERE seq = 2", 2],
    ['made unreadable', "UPDATE entries SET body = 'x' WHERE seq = 2", 2],
    ['taken out', 'DELETE FROM entries WHERE seq = 3', 3],
  ])(
    'shows where an entry was %s behind its back, also after more was written',
    async (_title, text, at) => {
      const ledger = ledgerOn(store);
      await tell(ledger, 'a', 'b', 'c', 'd');
      sql(text);
      expect(broken()).toBe(at);
      await tell(ledgerOn(store), 'e');
      expect(broken()).toBe(at);
    },
  );

  it('shows entries that were cut off at the end', async () => {
    await tell(ledgerOn(store), 'a', 'b', 'c', 'd');
    // Another one: by then the disk has all before, so that etcd holds the newest alone.
    await tell(ledgerOn(store), 'e');
    sql('DELETE FROM entries WHERE seq > 2');
    await tell(ledgerOn(store), 'f');
    expect(broken()).toBe(3);
  });

  it('vouches for no entry of a chain that was computed anew', async () => {
    await tell(ledgerOn(store), 'a', 'b');
    await tell(ledgerOn(store), 'c');
    let prev = entries()[0]?.hash ?? '';
    for (const seq of [2, 3]) {
      const entry = forged({ seq, prev });
      prev = entry.hash;
      sql(`UPDATE entries SET body = '${JSON.stringify(entry)}' WHERE seq = ${seq}`);
    }
    expect(signedOn(store).headAt(1)).toBeDefined();
    expect(signedOn(store).headAt(2)).toBeUndefined();
    await tell(ledgerOn(store), 'd');
    expect(broken()).toBe(3);
    expect(signedOn(store).headAt(2)).toBeUndefined();
  });

  it('reaches the store of a replica that has one of its own', async () => {
    const other = new SqliteJournalStore(join(folder, 'other.db'));
    const follower = ledgerOn(other);
    const ledger = ledgerOn(store);
    for (const target of ['a', 'b', 'c']) {
      await tell(ledger, target);
      const found = await etcd.get(HEAD);
      if (found) follower.follow({ type: 'snapshot', revision: found.modRevision, items: [found] });
    }
    expect(signedOn(other).from(1, 10)).toEqual(entries());
    other.close();
  });
});

function forged({ seq, prev }: { readonly seq: number; readonly prev: string }): JournalEntry {
  return journalEntry({
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
