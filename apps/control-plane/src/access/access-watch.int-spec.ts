import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { generateSigningKey, loadSigner } from '#bundle';
import { EtcdStore, etcdKeys, type WatchMessage } from '#etcd';
import { Log } from '#observability';
import { startEtcd, type EtcdServer } from '#testing';
import { Clock } from '../http/clock.js';
import { Fleet } from '../store/fleet.js';
import { EtcdLedger } from '../store/etcd-ledger.js';
import { SignedAuditLog } from '../store/signed-audit-log.js';
import { SqliteAuditLogStore } from '../store/sqlite-audit-log.store.js';
import { snapshot, testKeks } from '../testing/records.js';
import { AccessWatch } from './access-watch.js';
import { AdminToken } from './admin-token.js';
import { AdminTokenReset } from './admin-token-reset.js';
import { TokenAuthenticator } from './token-authenticator.js';
import { adminCaller } from '../auth/caller.js';
import { Directory } from './directory.js';
import { FailedLogins } from './failed-logins.js';
import { LastUse } from './last-use.js';
import { OidcSettings } from './oidc.settings.js';
import { Refusals } from './refusals.js';
import { hashToken } from '../auth/token-hash.js';

const FILE = '/data/keys/admin-token.sha256';
const MINUTE_MS = 60_000;

const START_MS = 1_772_366_400_000;
const minute = (at: number): string => new Date(START_MS + at * MINUTE_MS).toISOString();

class SetClock extends Clock {
  ms = START_MS;

  nowMs(): number {
    return this.ms;
  }
}

/** An audit log whose disk is full for as long as the test says. */
class FullDisk extends SqliteAuditLogStore {
  full = false;

  override add(
    ...args: Parameters<SqliteAuditLogStore['add']>
  ): ReturnType<SqliteAuditLogStore['add']> {
    return this.full ? Promise.reject(new Error('database or disk is full')) : super.add(...args);
  }
}

let server: EtcdServer;
let etcd: EtcdStore;
let dir: string;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'hostward-access-'));
  server = await startEtcd();
  etcd = EtcdStore.connect({ hosts: [server.url] });
});
afterEach(async () => {
  etcd.close();
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

it('keeps what was refused while the audit log could not be written, and tells it then', async () => {
  const [clock, log] = [new SetClock(), new Log({ level: 'error', write: () => undefined })];
  const disk = new FullDisk(join(dir, 'audit-log.db'));
  const auditLog = new SignedAuditLog(disk, loadSigner(generateSigningKey().privateKey), clock);
  const ledger = new EtcdLedger(etcd, auditLog, clock, log);
  const directory = new Directory(log);
  directory.take(snapshot(1n));
  const [failures, refusals] = [new FailedLogins(clock), new Refusals(clock)];
  const lastUse = new LastUse(etcd, directory, clock);
  const admin = new AdminTokenReset(new AdminToken('hash', FILE), etcd, ledger, log);
  const parts = [directory, ledger, failures, refusals, lastUse, admin, log] as const;
  const watch = new AccessWatch(new Fleet(testKeks), ...parts);
  await watch.run();
  disk.full = true;
  // Its transaction was under way: it happens, and what follows is refused.
  await ledger.record({ by: 'admin', action: 'apply', target: 'stands' });
  const refusal = { action: 'GET /v1/users', object: '/v1/users' };
  for (let minutes = 0; minutes < 3; minutes += 1) {
    failures.add('192.0.2.1', 'alice');
    await watch.refused(adminCaller('192.0.2.1'), refusal);
    clock.ms += MINUTE_MS;
    await expect(watch.run()).rejects.toThrow('the audit log cannot be written');
  }
  disk.full = false;
  await ledger.retry();
  await watch.run();
  await watch.onApplicationShutdown();

  const told = await auditLog.from(1, 100);
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

describe('an admin token that is made anew on one of several control planes', () => {
  const [OLD, NEW, NEWER] = ['hwa_old', 'hwa_new', 'hwa_newer'];
  let auditLog: SignedAuditLog;
  let disk: SqliteAuditLogStore;
  let lines: string[];
  const clock = new SetClock();
  beforeEach(() => {
    lines = [];
    disk = new SqliteAuditLogStore(join(dir, 'shared.db'));
    auditLog = new SignedAuditLog(disk, loadSigner(generateSigningKey().privateKey), clock);
  });
  afterEach(() => disk.close());

  /** A control plane that starts with this token in its file. */
  function replica(token: string) {
    const log = new Log({ level: 'error', write: (line) => lines.push(line) });
    const [admin, ledger] = [
      new AdminToken(hashToken(token), FILE),
      new EtcdLedger(etcd, auditLog, clock, log),
    ];
    const directory = new Directory(log);
    const [failures, refusals] = [new FailedLogins(clock), new Refusals(clock)];
    const lastUse = new LastUse(etcd, directory, clock);
    const reset = new AdminTokenReset(admin, etcd, ledger, log);
    const parts = [directory, ledger, failures, refusals, lastUse, reset, log] as const;
    const fleet = new Fleet(testKeks);
    const watch = new AccessWatch(fleet, ...parts);
    watch.onModuleInit();
    const access = new TokenAuthenticator(admin, directory, new OidcSettings(), failures, clock);
    return {
      fleet,
      run: () => watch.run(),
      callerOf: () => access.callerOf(token, '192.0.2.1'),
      /** What the watch on etcd says first. */
      hear: async () => fleet.take(await snapshotOfMeta()),
    };
  }

  async function snapshotOfMeta(): Promise<WatchMessage> {
    const { items, revision } = await etcd.list(`${etcdKeys.root}meta/`);
    return { type: 'snapshot', revision, items, isOtherHistory: false };
  }

  async function start(token: string): Promise<ReturnType<typeof replica>> {
    const started = replica(token);
    await started.hear();
    await started.run();
    return started;
  }

  const told = async (): Promise<readonly string[]> =>
    (await auditLog.from(1, 100)).map(({ action }) => action);

  it('ends there at once, with the streams that it began, and the log names the file to copy', async () => {
    const [one, other] = [await start(OLD), await start(OLD)];
    const stream = other.callerOf();
    expect([one.callerOf()?.actor, stream?.actor]).toEqual(['admin', 'admin']);
    const anew = await start(NEW);
    const { items, revision } = await etcd.list(etcdKeys.endedAdminToken(hashToken(OLD)));
    const changes = items.map((item) => ({ type: 'put', ...item }) as const);
    other.fleet.take({ type: 'changes', revision, changes });
    expect([other.callerOf(), stream?.stillCounts(), anew.callerOf()?.actor]).toEqual([
      undefined,
      false,
      'admin',
    ]);
    expect(lines.filter((line) => line.includes(FILE))).toHaveLength(1);
  });

  it('does not come back by a restart of one that has the old one in its file', async () => {
    await start(OLD);
    await start(NEW);
    const late = await start(OLD);
    expect(late.callerOf()).toBeUndefined();
    expect((await etcd.get(etcdKeys.meta('admin-token')))?.value.toString()).toBe(hashToken(NEW));
    const again = await start(NEW);
    expect(again.callerOf()?.actor).toBe('admin');
    expect(await told()).toEqual(['admin-token.made', 'admin-token.reset']);
  });

  it('is the one that was made last, also where each machine made its own', async () => {
    await start(OLD);
    const [one, other] = [await start(NEW), await start(NEWER)];
    await one.hear();
    expect([one.callerOf(), other.callerOf()?.actor]).toEqual([undefined, 'admin']);
  });

  it.each(['', 'a/b'])('is told where etcd has %p in the place of a hash', async (damaged) => {
    await start(OLD);
    const key = etcdKeys.meta('admin-token');
    await etcd.transact({ then: [{ type: 'put', key, value: damaged }] });
    expect((await start(NEW)).callerOf()?.actor).toBe('admin');
    expect(await told()).toEqual(['admin-token.made', 'admin-token.reset']);
  });

  it('is told once by two that start with it at the same time', async () => {
    await start(OLD);
    const both = [replica(NEW), replica(NEW)];
    for (const each of both) await each.hear();
    await Promise.all(both.map((each) => each.run()));
    for (const each of both) await each.run();
    expect(await told()).toEqual(['admin-token.made', 'admin-token.reset']);
  });
});
