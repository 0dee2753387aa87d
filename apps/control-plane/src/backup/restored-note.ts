import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  signRestoration,
  verifyRestoration,
  type JournalEntry,
  type Restoration,
  type Signer,
} from '#bundle';
import { etcdKeys, type EtcdStore } from '#etcd';
import type { Log } from '#observability';
import { SYSTEM } from '../access/caller.js';
import type { Clock } from '../clock.js';
import { readIfThere, writePrivate } from '../init/private-file.js';
import { EtcdLedger } from '../journal/etcd-ledger.js';
import { readEntry } from '../journal/journal-record.js';
import type { JournalStore } from '../journal/journal.store.js';
import { SignedJournal } from '../journal/signed-journal.js';
import { parseJson } from '../shape/shape.js';

const FILE = 'restored.json';

/** Leaves word of a restore in the data directory, for the first start after it. */
export function leaveNote(dataDir: string, restoration: Restoration, signer: Signer): void {
  writePrivate(join(dataDir, FILE), JSON.stringify(signRestoration(restoration, signer)));
}

interface Parts {
  readonly etcd: EtcdStore;
  readonly store: JournalStore;
  readonly signer: Signer;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * After a restore, and before anything else is written: takes entries out of the journal that are later than the
 * snapshot of etcd, and tells the journal of the restore, so that whoever saw entries that are lost finds why. Throws
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
  const journal = new SignedJournal(store, signer, clock);
  const target = `backup of ${new Date(told.backupAt).toISOString()}`;
  const ledger = new EtcdLedger(etcd, journal, clock, log);
  await ledger.record({ by: SYSTEM, action: 'journal.restored', target, detail });
  await journal.sync();
  rmSync(path);
  log.warn('this control plane was restored from a backup', { ...told });
}

/** The store is read first: what another replica stores meanwhile is not later than an etcd that is read then. */
async function setLaterAside(store: JournalStore, etcd: EtcdStore): Promise<number> {
  const [newest] = await store.newest(1);
  const head = await headIn(etcd);
  if (!newest || !head || newest.entry.seq <= head.seq) return 0;
  const known = (await store.get(head.seq))?.entry.hash === head.hash;
  return known ? store.setAside(head.seq) : 0;
}

async function headIn(etcd: EtcdStore): Promise<JournalEntry | undefined> {
  const found = await etcd.get(etcdKeys.journal('head'));
  return found && readEntry(found.value.toString('utf8'));
}
