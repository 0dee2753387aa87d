import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { EtcdStore, etcdKeys } from '#etcd';
import { startEtcd, type EtcdServer } from '#testing';
import { SystemClock } from '../clock.js';
import { EtcdLedger } from './etcd-ledger.js';
import { brokenAt, type JournalEntry } from './journal-entry.js';
import { EtcdJournalReader } from './journal-reader.js';

jest.setTimeout(180_000);

let server: EtcdServer;
let etcd: EtcdStore;
beforeAll(async () => {
  server = await startEtcd();
  etcd = EtcdStore.connect({ hosts: [server.url] });
});
afterAll(async () => {
  etcd.close();
  await server.stop();
});

describe('the journal on etcd', () => {
  it('keeps the newest entries and its head, so that it stays a chain and does not grow', async () => {
    const ledger = new EtcdLedger(etcd, new SystemClock(), 5);
    for (let number = 1; number <= 12; number += 1) {
      const journal = { by: 'admin', action: 'apply', target: `p${number}` };
      await ledger.commit({ if: [], then: [], journal });
    }
    const { items } = await etcd.list(`${etcdKeys.root}journal/`);
    expect(items).toHaveLength(6);
    const reader = new EtcdJournalReader(etcd);
    const { entries } = await reader.before(undefined, 50);
    expect(entries.map(({ seq }) => seq)).toEqual([12, 11, 10, 9, 8]);
    const [oldest, ...rest] = entries.toReversed() as [JournalEntry, ...JournalEntry[]];
    expect(brokenAt({ v: 1, seq: oldest.seq, hash: oldest.hash }, rest)).toBeUndefined();
    expect((await reader.before(8, 50)).entries).toEqual([]);
    expect((await reader.before(10, 50)).entries.map(({ seq }) => seq)).toEqual([9, 8]);
  });
});
