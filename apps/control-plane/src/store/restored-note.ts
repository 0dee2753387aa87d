import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  signRestoration,
  verifyRestoration,
  type AuditLogEntry,
  type Restoration,
  type Signer,
} from '#bundle';
import { etcdKeys, type EtcdStore } from '#etcd';
import type { Log } from '#observability';
import { SYSTEM } from '../auth/caller.js';
import type { Clock } from '../http/clock.js';
import { readIfThere, writePrivate } from '../config/private-file.js';
import { EtcdLedger } from './etcd-ledger.js';
import { readEntries, readEntry } from './audit-log-record.js';
import { newestInEtcd } from './audit-log-tail.js';
import type { AuditLogStore } from './audit-log.store.js';
import { SignedAuditLog } from './signed-audit-log.js';
import { parseJson } from '../http/shape.js';

const FILE = 'restored.json';

/** Leaves word of a restore in the data directory, for the first start after it. */
export function leaveNote(dataDir: string, restoration: Restoration, signer: Signer): void {
  writePrivate(join(dataDir, FILE), JSON.stringify(signRestoration(restoration, signer)));
}

interface Parts {
  readonly etcd: EtcdStore;
  readonly store: AuditLogStore;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * After a restore, and before anything else is written: takes entries out of the audit log that are later than the
 * snapshot of etcd, and tells the audit log of the restore, so that whoever saw entries that are lost finds why. Throws
 * the errors of #etcd where etcd cannot be asked, and RefusedError for a note that our key did not sign: a start before
 * that would go on as if nothing had been.
 */
export async function tellOfRestore(dataDir: string, parts: Parts): Promise<void> {
  const path = join(dataDir, FILE);
  if (!existsSync(path)) return;
  const { etcd, store, signer, clock, log } = parts;
  const restoration = parseJson(Buffer.from(readIfThere(path) ?? ''), FILE);
  const told = verifyRestoration(restoration, [signer]);
  const setAside = await setLaterAside(store, etcd);
  const detail = { restoration, setAside };
  const auditLog = new SignedAuditLog(store, signer, clock);
  const target = `backup of ${new Date(told.backupAt).toISOString()}`;
  const ledger = new EtcdLedger(etcd, auditLog, clock, log);
  await ledger.record({ by: SYSTEM, action: 'audit-log.restored', target, detail });
  await auditLog.sync();
  rmSync(path);
  log.warn('this control plane was restored from a backup', { ...told });
}

/**
 * Takes out what is later than the entry from which etcd goes on. Other control planes may have written there since, as
 * far as etcd holds what they wrote. The store is read first: what another replica stores meanwhile is not later than an
 * etcd that is read then.
 */
async function setLaterAside(store: AuditLogStore, etcd: EtcdStore): Promise<number> {
  const [newest] = await store.newest(1);
  if (!newest) return 0;
  const common = await lastCommon(store, await entriesIn(etcd));
  return common !== undefined && common < newest.entry.seq ? store.setAside(common) : 0;
}

/** Number of the last entry that the store has too, or that these go on from; `entries` is a chain, oldest first. */
async function lastCommon(
  store: AuditLogStore,
  entries: readonly AuditLogEntry[],
): Promise<number | undefined> {
  const has = async (seq: number, hash: string) => (await store.get(seq))?.entry.hash === hash;
  for (const { seq, hash } of entries.toReversed()) if (await has(seq, hash)) return seq;
  const [first] = entries;
  return first && (await has(first.seq - 1, first.prev)) ? first.seq - 1 : undefined;
}

/** The newest entries as etcd holds them. */
async function entriesIn(etcd: EtcdStore): Promise<readonly AuditLogEntry[]> {
  const { items } = await etcd.list(etcdKeys.auditLogs);
  const textOf = (name: string): string =>
    items.find(({ key }) => key === etcdKeys.auditLog(name))?.value.toString('utf8') ?? '';
  const head = readEntry(textOf('head'));
  return head ? newestInEtcd(readEntries(textOf('tail')), head) : [];
}
