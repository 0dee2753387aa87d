import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AUDIT_LOG_START,
  generateSigningKey,
  auditLogEntry,
  auditLogHeadName,
  loadSigner,
  signAuditLogHead,
  signRestoration,
  signStatus,
  type HostSignedStatus,
  type AuditLogEntry,
  type SignedDocument,
} from '#bundle';
import { Log } from '#observability';
import { Metrics } from '../health/metrics.js';
import { SystemClock } from '../http/clock.js';
import type { Trust } from '../config/trust.js';
import { heapGrowthMiB } from '../testing/heap-growth.js';
import { HeldHeads, SignedStatusSource, auditLogAlarmWords, type Witness } from './held-heads.js';
import { SignedAuditLog } from './signed-audit-log.js';
import { SqliteAuditLogStore } from './sqlite-audit-log.store.js';

const online = loadSigner(generateSigningKey().privateKey);
const [web1, web2] = [host('web1'), host('web2')];

/** What lies beside reports. */
class Beside extends SignedStatusSource {
  readonly signedStatuses = new Map<string, SignedDocument>();
  readonly asked: string[] = [];
  away = false;

  override of(nodeIds: readonly string[]): Promise<ReadonlyMap<string, SignedDocument>> {
    if (this.away) return Promise.reject(new Error('away'));
    this.asked.push(...nodeIds);
    const found = nodeIds.flatMap((nodeId) => {
      const signedStatus = this.signedStatuses.get(nodeId);
      return signedStatus ? [[nodeId, signedStatus] as const] : [];
    });
    return Promise.resolve(new Map(found));
  }
}

let store: SqliteAuditLogStore;
let beside: Beside;
let root: { version: number; online: { keyid: string; key: string }[] };
let auditLog: SignedAuditLog;
let heads: HeldHeads;
beforeEach(() => {
  store = new SqliteAuditLogStore(':memory:');
  auditLog = new SignedAuditLog(store, online, new SystemClock());
  beside = new Beside();
  root = { version: 1, online: [{ keyid: online.keyid, key: online.key }] };
  const trust = { root: { document: root } } as unknown as Trust;
  heads = new HeldHeads(
    auditLog,
    beside,
    trust,
    new Metrics(),
    new Log({ write: () => undefined }),
  );
});
afterEach(() => store.close());

/** Looks twice: what is found once may be a replica that lags. */
async function alarm(): Promise<string | undefined> {
  for (let i = 0; i < 2; i += 1) await heads.look();
  return heads.alarm && auditLogAlarmWords(heads.alarm);
}

async function write(count: number, story = 'true'): Promise<readonly AuditLogEntry[]> {
  const written: AuditLogEntry[] = [];
  while (written.length < count) {
    const entry = entryAfter(await auditLog.end(), story);
    await auditLog.keep(entry);
    written.push(entry);
  }
  return written;
}

const headOf = ({ seq, hash }: AuditLogEntry, signer = online) =>
  signAuditLogHead({ v: 1, seq, hash, at: 1 }, signer);

describe('heads that hosts have seen', () => {
  it('raise no alarm where the audit log leads to them', async () => {
    const [first, , third] = await write(5);
    say(web1, [headOf(first as AuditLogEntry), headOf(third as AuditLogEntry)]);
    expect(await alarm()).toBeUndefined();
  });

  it('raise an alarm where the audit log was cut off, which names host, entry and end', async () => {
    const seen = (await write(5)).at(-1) as AuditLogEntry;
    say(web1, [headOf(seen)]);
    say(web2, [headOf(seen)]);
    await store.setAside(3);
    expect(await alarm()).toMatch(
      /host web1 and 1 more saw entry 5, .* but the audit log ends at 3/,
    );
  });

  it('raise an alarm where the audit log was rewritten, also beyond them', async () => {
    const seen = (await write(3)).at(-1) as AuditLogEntry;
    say(web1, [headOf(seen)]);
    await store.setAside(1);
    await write(6, 'another');
    expect(await alarm()).toMatch(/saw entry 3, .* but the audit log has another one, or none/);
  });

  describe('where hosts enrolled at many times', () => {
    const COUNT = 1_000;
    let read: number;
    let written: readonly AuditLogEntry[];
    beforeEach(async () => {
      written = await write(COUNT);
      for (const [n, entry] of written.entries()) say(host(`h${n}`), [headOf(entry)]);
      // As many looks as it takes to read all signed statuses, and to compare all of them.
      for (let n = 0; n < COUNT / 64 + COUNT / 256 + 2; n += 1) await heads.look();
      const leadsTo = auditLog.leadsTo.bind(auditLog);
      auditLog.leadsTo = (point) => {
        read += 1;
        return leadsTo(point);
      };
    });

    it('are compared a few hundred at a look, and all of them in a turn', async () => {
      const reads: number[] = [];
      for (let n = 0; n < 4; n += 1) {
        read = 0;
        await heads.look();
        reads.push(read);
      }
      expect(Math.max(...reads)).toBe(64 + 256);
      expect(reads.reduce((sum, each) => sum + each)).toBe(4 * 64 + COUNT - 64);
    });

    it('raise an alarm at the second look where the audit log was cut off', async () => {
      await store.setAside(COUNT - 1);
      expect(await alarm()).toMatch(/host h999 saw entry 1000, .* but the audit log ends at 999/);
    });

    it('raise an alarm within a turn where one entry among the older ones was exchanged', async () => {
      const real = auditLog.leadsTo.bind(auditLog);
      auditLog.leadsTo = (point) => (point.seq === 300 ? Promise.resolve(false) : real(point));
      let looks = 0;
      while (heads.alarm === undefined && looks < 10) {
        await heads.look();
        looks += 1;
      }
      expect(heads.alarm?.seen.seq).toBe(300);
      expect(looks).toBeLessThanOrEqual(Math.ceil((COUNT - 64) / 256) + 1);
      await heads.look();
      expect(heads.alarm?.seen.seq).toBe(300);
    });
  });

  describe('after a restore from a backup', () => {
    const restoration = { v: 1, backupAt: 1, restoredAt: 5, revision: 1, goesOnAt: 2 } as const;
    /** The entry that tells of it, by this key's word; the end of the audit log is `kept` then. */
    const restore = async (kept: number, by = online) => {
      await store.setAside(kept);
      const { hash: _, ...content } = entryAfter(await auditLog.end());
      const detail = { restoration: signRestoration(restoration, by) };
      await auditLog.keep(auditLogEntry({ ...content, action: 'audit-log.restored', detail }));
    };

    it('raise no alarm for what it lost, but for what is cut off since', async () => {
      const seen = (await write(5)).at(-1) as AuditLogEntry;
      say(web1, [headOf(seen)]);
      await restore(3);
      await write(6, 'another');
      expect(await alarm()).toBeUndefined();
      const { seq, hash } = await auditLog.end();
      say(web2, [signAuditLogHead({ v: 1, seq, hash, at: 6 }, online)]);
      await store.setAside(6);
      expect(await alarm()).toMatch(/host web2 saw entry 10/);
    });

    it('raise one where somebody else than the online key says that there was a restore', async () => {
      const seen = (await write(5)).at(-1) as AuditLogEntry;
      say(web1, [headOf(seen)]);
      await restore(3, loadSigner(generateSigningKey().privateKey));
      expect(await alarm()).toMatch(/host web1 saw entry 5/);
    });
  });

  it('raise it at the second look only, and end it where the audit log leads to them again', async () => {
    const seen = entryAfter(await auditLog.end());
    say(web1, [headOf(seen)]);
    expect(await heads.look()).toBe(false);
    expect(heads.alarm).toBeUndefined();
    expect(await heads.look()).toBe(true);
    expect(heads.alarm).toBeDefined();
    await auditLog.keep(seen);
    expect(await heads.look()).toBe(true);
    expect(heads.alarm).toBeUndefined();
  });

  it.each([
    [
      'that another key signed',
      () => [headOf(ahead(), loadSigner(generateSigningKey().privateKey))],
    ],
    ['that are none', () => [7, null, { payload: 'x' }]],
  ])('count for nothing: those %s', async (_title, said) => {
    await write(2);
    say(web1, said());
    expect(await alarm()).toBeUndefined();
  });

  it.each([
    ['without a payload', 'x'],
    ['whose payload is no JSON', Buffer.from('{').toString('base64')],
    ['without heads', payloadOf({})],
    ['with more heads than a host keeps', payloadOf({ auditLog: many() })],
  ])('stay what a host has said, whatever signed status comes %s', async (_title, payload) => {
    await write(2);
    say(web1, [headOf(ahead())]);
    expect(await alarm()).toBeDefined();
    const signedStatus = beside.signedStatuses.get(web1.witness.nodeId) as SignedDocument;
    beside.signedStatuses.set(web1.witness.nodeId, { ...signedStatus, payload });
    expect(await alarm()).toBeDefined();
    heads.take(web1.witness, []);
    expect(await alarm()).toBeUndefined();
    heads.take(web1.witness, [auditLogHeadName(headOf(ahead()))]);
    expect(await alarm()).toBeUndefined();
  });

  it('are read of one of the hosts that hold the same ones, and once', async () => {
    const seen = (await write(3)).map((entry) => headOf(entry));
    const names = seen.map(auditLogHeadName);
    const hosts = Array.from({ length: 20 }, (_, i) => ({ ...host(`h${i}`), names }));
    for (const each of hosts) {
      say(each, seen);
      heads.take(each.witness, names);
    }
    await alarm();
    expect(beside.asked).toHaveLength(1);
    await store.setAside(1);
    expect(await alarm()).toMatch(/and 19 more saw entry 3/);
    expect(beside.asked).toHaveLength(1);
  });

  it('are read though others name the same ones and have none of them', async () => {
    const seen = headOf((await write(3)).at(-1) as AuditLogEntry);
    for (let i = 0; i < 5; i += 1) {
      const liar = host(`liar${i}`);
      say(liar, []);
      heads.take(liar.witness, [auditLogHeadName(seen)]);
    }
    say(web1, [seen]);
    await store.setAside(1);
    for (let i = 0; i < 100; i += 1) await heads.look();
    expect(heads.alarm?.seen.seq).toBe(3);
  });

  it('are judged by what was read before, while signed statuses cannot be read', async () => {
    const seen = (await write(5)).at(-1) as AuditLogEntry;
    say(web1, [headOf(seen)]);
    await alarm();
    beside.away = true;
    say(web2, [headOf(ahead())]);
    expect(await alarm()).toBeUndefined();
    await store.setAside(3);
    expect(await alarm()).toMatch(/host web1 saw entry 5/);
    beside.away = false;
    expect(await alarm()).toMatch(/host web2 and 1 more/);
  });

  it('count once the root document believes their key', async () => {
    await write(2);
    const next = loadSigner(generateSigningKey().privateKey);
    say(web1, [headOf(ahead(), next)]);
    expect(await alarm()).toBeUndefined();
    root.version = 2;
    root.online.push({ keyid: next.keyid, key: next.key });
    expect(await alarm()).toMatch(/host web1 saw entry 9000/);
  });

  it('take no room where a host makes them up, however long they are', async () => {
    const makeUp = async () => {
      for (let made = 0; made < 30; made += 1) {
        // Four characters of a signed status that are eleven when they are written anew.
        const auditLog = `{"auditLog":[[${made}${',1e9'.repeat(150_000)}]]}`;
        const payload = Buffer.from(auditLog).toString('base64');
        beside.signedStatuses.set(web1.witness.nodeId, {
          payloadType: '',
          payload,
          signatures: [],
        });
        heads.take(web1.witness, [String(made).padStart(32, '0')]);
        await heads.look();
      }
      beside.signedStatuses.clear();
    };
    expect(await heapGrowthMiB(makeUp)).toBeLessThan(10);
  });

  it('count for nothing once their key is taken back, or their host is gone', async () => {
    await write(2);
    say(web1, [headOf(ahead())]);
    expect(await alarm()).toBeDefined();
    const key = root.online.splice(0);
    expect(await alarm()).toBeUndefined();
    root.online.push(...key);
    expect(await alarm()).toBeDefined();
    heads.forget(web1.witness.nodeId);
    expect(await alarm()).toBeUndefined();
  });
});

interface Host {
  readonly witness: Witness;
  readonly signer: ReturnType<typeof loadSigner>;
}

function host(node: string): Host {
  const signer = loadSigner(generateSigningKey().privateKey);
  return { signer, witness: { node, nodeId: signer.keyid } };
}

/** Signs it, and reports the names. */
function say(by: Host, said: readonly unknown[]): void {
  beside.signedStatuses.set(by.witness.nodeId, signed(by, said));
  heads.take(by.witness, said.map(auditLogHeadName));
}

function signed({ signer, witness: { nodeId } }: Host, said: readonly unknown[]): SignedDocument {
  const signedStatus: HostSignedStatus = {
    ...{ v: 1, nodeId, bootedAt: 1, sequence: 1, at: 1, asOf: 1, rootVersion: 1 },
    ...{ enforcer: 'observe', mode: 'enforce', conditions: [], policies: [], auditLog: said },
  };
  return signStatus(signedStatus, signer);
}

function payloadOf(content: object): string {
  return Buffer.from(JSON.stringify(content)).toString('base64');
}

function many(): readonly unknown[] {
  return Array.from({ length: 7 }, () => headOf(ahead()));
}

/** One that the audit log has not. */
function ahead(): AuditLogEntry {
  return entryAfter({ seq: 8_999, hash: AUDIT_LOG_START.hash });
}

function entryAfter(end: { seq: number; hash: string }, story = 'true'): AuditLogEntry {
  return auditLogEntry({
    ...{ v: 1, seq: end.seq + 1, time: '2026-03-01T12:00:00.000Z', actor: 'admin', source: '' },
    ...{ action: 'apply', object: story, revision: '1', outcome: 'done', detail: {} },
    prev: end.hash,
  });
}
