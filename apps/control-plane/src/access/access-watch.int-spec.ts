import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { generateSigningKey, loadSigner } from '#bundle';
import { EtcdStore } from '#etcd';
import { Log } from '#observability';
import { startEtcd, type EtcdServer } from '#testing';
import { Clock } from '../clock.js';
import { EtcdLedger } from '../journal/etcd-ledger.js';
import { SignedJournal } from '../journal/signed-journal.js';
import { SqliteJournalStore } from '../journal/sqlite-journal.store.js';
import { AccessWatch } from './access-watch.js';
import { AdminToken } from './admin-token.js';
import { adminCaller } from './caller.js';
import { Directory } from './directory.js';
import { FailedLogins } from './failed-logins.js';
import { LastUse } from './last-use.js';
import { Refusals } from './refusals.js';

const MINUTE_MS = 60_000;

const START_MS = 1_772_366_400_000;
const minute = (at: number): string => new Date(START_MS + at * MINUTE_MS).toISOString();

class SetClock extends Clock {
  ms = START_MS;

  nowMs(): number {
    return this.ms;
  }
}

/** A journal whose disk is full for as long as the test says. */
class FullDisk extends SqliteJournalStore {
  full = false;

  override add(
    ...args: Parameters<SqliteJournalStore['add']>
  ): ReturnType<SqliteJournalStore['add']> {
    return this.full ? Promise.reject(new Error('database or disk is full')) : super.add(...args);
  }
}

let server: EtcdServer;
let etcd: EtcdStore;
let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'hostward-access-'));
  server = await startEtcd();
  etcd = EtcdStore.connect({ hosts: [server.url] });
});
afterAll(async () => {
  etcd.close();
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

it('keeps what was refused while the journal could not be written, and tells it then', async () => {
  const [clock, log] = [new SetClock(), new Log({ level: 'error', write: () => undefined })];
  const disk = new FullDisk(join(dir, 'journal.db'));
  const journal = new SignedJournal(disk, loadSigner(generateSigningKey().privateKey), clock);
  const ledger = new EtcdLedger(etcd, journal, clock, log);
  const directory = new Directory(log);
  directory.take({ type: 'snapshot', revision: 1n, items: [] });
  const [failures, refusals] = [new FailedLogins(clock), new Refusals(clock)];
  const [lastUse, admin] = [new LastUse(etcd, directory, clock), new AdminToken('hash')];
  const parts = [directory, ledger, failures, refusals, lastUse, admin, etcd, log] as const;
  const watch = new AccessWatch(...parts);
  await watch.run();
  disk.full = true;
  // Its transaction was under way: it happens, and what follows is refused.
  await ledger.record({ by: 'admin', action: 'apply', target: 'stands' });
  const refusal = { action: 'GET /v1/users', object: '/v1/users' };
  for (let minutes = 0; minutes < 3; minutes += 1) {
    failures.add('192.0.2.1', 'alice');
    await watch.refused(adminCaller('192.0.2.1'), refusal);
    clock.ms += MINUTE_MS;
    await watch.run();
  }
  disk.full = false;
  await ledger.retry();
  await watch.run();
  await watch.stop();

  const told = await journal.from(1, 100);
  const logins = told.filter(({ action }) => action === 'login.failed');
  const counted = logins.map(({ detail }) => JSON.stringify(detail).match(/"logins":\d+/g));
  expect(counted).toEqual([['"logins":1'], ['"logins":2']]);
  expect(logins.map(({ detail }) => detail)).toMatchObject([
    { minute: minute(0), until: minute(0) },
    { minute: minute(1), until: minute(2) },
  ]);
  const refused = told.filter(({ action }) => action === 'access.refused');
  expect(refused.map(({ detail }) => detail)).toEqual([{ refused: { admin: 3 } }]);
  disk.close();
});
