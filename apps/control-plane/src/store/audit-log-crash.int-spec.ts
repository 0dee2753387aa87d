import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AUDIT_LOG_START, brokenAuditLogAt, generateSigningKey, loadSigner } from '#bundle';
import { EtcdStore, etcdKeys } from '#etcd';
import { Log } from '#observability';
import { startEtcd, type EtcdServer } from '#testing';
import { SystemClock } from '../http/clock.js';
import { EtcdLedger } from './etcd-ledger.js';
import { SignedAuditLog } from './signed-audit-log.js';
import { SqliteAuditLogStore } from './sqlite-audit-log.store.js';

const KILLS = 4;
const WRITERS = 4;
const PREFIX = etcdKeys.meta('crash-');

const built = (path: string): string =>
  JSON.stringify(new URL(`../../../../dist/${path}`, import.meta.url).href);
/** Changes a key of etcd, and tells of it, again and again; prints what was answered. */
const WRITER = `
  import { loadSigner } from ${built('libs/bundle/src/index.js')};
  import { EtcdStore, etcdKeys } from ${built('libs/etcd/src/index.js')};
  import { Log } from ${built('libs/observability/src/index.js')};
  import { SystemClock } from ${built('apps/control-plane/src/http/clock.js')};
  import { EtcdLedger } from ${built('apps/control-plane/src/store/etcd-ledger.js')};
  import { SignedAuditLog } from ${built('apps/control-plane/src/store/signed-audit-log.js')};
  import { SqliteAuditLogStore } from ${built('apps/control-plane/src/store/sqlite-audit-log.store.js')};
  const { HW_ETCD, HW_FILE, HW_KEY, HW_ROUND } = process.env;
  const etcd = EtcdStore.connect({ hosts: [HW_ETCD] });
  const clock = new SystemClock();
  const auditLog = new SignedAuditLog(new SqliteAuditLogStore(HW_FILE), loadSigner(HW_KEY), clock);
  const ledger = new EtcdLedger(etcd, auditLog, clock, new Log({ level: 'error' }));
  const watch = etcd.watch(etcdKeys.root);
  void (async () => { for await (const message of watch) ledger.follow(message); })();
  const write = async (writer) => {
    for (let n = 0; ; n += 1) {
      const target = [HW_ROUND, writer, n].join('-');
      const put = { type: 'put', key: etcdKeys.meta('crash-' + target), value: '1' };
      await ledger.commit({ if: [], then: [put], auditLog: { by: 'admin', action: 'put', target } });
      console.log(target);
    }
  };
  for (let writer = 0; writer < ${WRITERS}; writer += 1) void write(writer);
`;

let server: EtcdServer;
let etcd: EtcdStore;
let folder: string;
beforeAll(async () => {
  server = await startEtcd();
  etcd = EtcdStore.connect({ hosts: [server.url] });
  folder = mkdtempSync(join(tmpdir(), 'hw-audit-log-'));
});
afterAll(async () => {
  etcd.close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Lets a process write and kills it in the middle of it; what was answered until then. */
async function killedWriter(round: number, key: string): Promise<readonly string[]> {
  const file = join(folder, 'audit-log.db');
  const child = spawn(process.execPath, ['--input-type=module', '-e', WRITER], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { HW_ETCD: server.url, HW_FILE: file, HW_KEY: key, HW_ROUND: String(round) },
  });
  const answered: string[] = [];
  const lines = createInterface({ input: child.stdout }).on('line', (line) => answered.push(line));
  await once(lines, 'line', { signal: AbortSignal.timeout(120_000) });
  await once(lines, 'line', { signal: AbortSignal.timeout(120_000) });
  await delay(Math.random() * 200);
  child.kill('SIGKILL');
  await Promise.all([once(child, 'exit'), once(lines, 'close')]);
  return answered;
}

describe('the audit log of a control plane that is killed at any moment', () => {
  it('tells of each change once, in one chain, and so does the next one that writes', async () => {
    const { privateKey } = generateSigningKey();
    const answered: string[] = [];
    for (let round = 0; round < KILLS; round += 1)
      answered.push(...(await killedWriter(round, privateKey)));

    const store = new SqliteAuditLogStore(join(folder, 'audit-log.db'));
    const auditLog = new SignedAuditLog(store, loadSigner(privateKey), new SystemClock());
    const log = new Log({ level: 'error', write: () => undefined });
    const ledger = new EtcdLedger(etcd, auditLog, new SystemClock(), log);
    expect(await ledger.settle({ repair: false })).toBeUndefined();

    const entries = await auditLog.from(1, 100_000);
    expect(brokenAuditLogAt(AUDIT_LOG_START, entries)).toBeUndefined();
    const changed = (await etcd.list(PREFIX)).items.map(({ key }) => key.slice(PREFIX.length));
    expect(entries.map(({ object }) => object).toSorted()).toEqual(changed.toSorted());
    expect(new Set(changed)).toEqual(new Set([...changed, ...answered]));
    expect(answered.length).toBeGreaterThan(KILLS);
    store.close();
  });
});
