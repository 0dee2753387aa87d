import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { AUDIT_LOG_START, brokenAuditLogAt, generateSigningKey, loadSigner } from '#bundle';
import { EtcdStore, etcdKeys } from '#etcd';
import { Log } from '#observability';
import { startEtcd, type EtcdServer } from '#testing';
import { SystemClock } from '../http/clock.js';
import { EtcdLedger } from './etcd-ledger.js';
import { SignedAuditLog } from './signed-audit-log.js';
import { SqliteAuditLogStore } from './sqlite-audit-log.store.js';
import { leaveNote, tellOfRestore } from './restored-note.js';

const [HEAD, TAIL] = [etcdKeys.auditLog('head'), etcdKeys.auditLog('tail')];
const signer = loadSigner(generateSigningKey().privateKey);
const log = new Log({ level: 'error', write: () => undefined });
const clock = new SystemClock();

/** Takes what is there at the start, and nothing after it, so that etcd keeps what comes. */
class SlowDisk extends SqliteAuditLogStore {
  #syncs = 0;

  override sync(): Promise<void> {
    this.#syncs += 1;
    return this.#syncs === 1 ? super.sync() : new Promise(() => undefined);
  }
}

let server: EtcdServer;
let etcd: EtcdStore;
let folder: string;
let stores: SqliteAuditLogStore[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hw-restored-'));
  stores = [];
  server = await startEtcd();
  etcd = EtcdStore.connect({ hosts: [server.url] });
});
afterEach(async () => {
  for (const store of stores) store.close();
  etcd.close();
  await server.stop();
  rmSync(folder, { recursive: true });
});

function open(name: string, Kind = SqliteAuditLogStore): SqliteAuditLogStore {
  const store = new Kind(join(folder, name));
  stores.push(store);
  return store;
}
const signedOn = (store: SqliteAuditLogStore) => new SignedAuditLog(store, signer, clock);
async function tell(store: SqliteAuditLogStore, ...targets: readonly string[]): Promise<void> {
  const ledger = new EtcdLedger(etcd, signedOn(store), clock, log);
  for (const target of targets) await ledger.record({ by: 'admin', action: 'apply', target });
}

describe('an audit log in files whose etcd was restored', () => {
  it.each([
    [['c'], ['x']],
    [['c', 'd', 'e'], ['x']],
    [
      ['c', 'd', 'e'],
      ['x', 'y'],
    ],
  ])(
    'lost %p, and goes on after %p, which another control plane wrote before the one with the backup was started',
    async (lost, between) => {
      const restored = open('restored.db');
      await tell(restored, 'a', 'b');
      const old = await etcd.get(HEAD);
      await tell(restored, ...lost);
      const head = { type: 'put', key: HEAD, value: old?.value ?? '' } as const;
      await etcd.transact({ then: [head, { type: 'delete', key: TAIL }] });
      await tell(open('empty.db', SlowDisk), ...between);
      const told = { v: 1, backupAt: 1, restoredAt: 2, revision: 1, goesOnAt: 2 } as const;
      leaveNote(folder, told, signer);
      await tellOfRestore(folder, { etcd, store: restored, signer, clock, log });
      const entries = await signedOn(restored).from(1, 100);
      expect(entries.slice(0, -1).map(({ object }) => object)).toEqual(['a', 'b', ...between]);
      expect(entries.at(-1)).toMatchObject({
        action: 'audit-log.restored',
        detail: { setAside: lost.length },
      });
      expect(brokenAuditLogAt(AUDIT_LOG_START, entries)).toBeUndefined();
    },
  );
});
