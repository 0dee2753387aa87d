import { AUDIT_LOG_START, auditLogEntry, type AuditLogEntry, type AuditLogPoint } from '#bundle';
import { etcdKeys, type EtcdStore, type Transaction, type WatchMessage, type Write } from '#etcd';
import type { Log } from '#observability';
import { SYSTEM, currentSource } from '../auth/caller.js';
import { Periodic } from '../health/periodic.decorator.js';
import { isoNow, type Clock } from '../http/clock.js';
import { ProblemError, writeConflict } from '../http/index.js';
import { Mutex } from '../http/mutex.js';
import type { AuditLogDraft } from './audit-log-draft.js';
import { readEntries, readEntry } from './audit-log-record.js';
import { newestInEtcd, unstoredAfter } from './audit-log-tail.js';
import { auditLogUnwritable } from './audit-log-unwritable.js';
import { Ledger, type CommitResult, type LedgerChange } from './ledger.js';
import { untilAnswered } from './until-answered.js';
import type { SignedAuditLog } from './signed-audit-log.js';
import { UnsyncedEntries } from './unsynced-entries.js';

/** Where the chain goes on. */
interface Known {
  readonly end: AuditLogPoint;
  /** Of the head's key; 0 where there is none. */
  readonly revision: bigint;
  /** The newest entries, oldest first, as far as the store may lack them. */
  readonly unstored: readonly AuditLogEntry[];
  /** Whether etcd holds a tail. */
  readonly tailed: boolean;
  /** What has to be told first: that the head was not where the signed entries end. */
  readonly resumption?: AuditLogDraft;
}

const ATTEMPTS = 20;
const MAX_WAITING = 1_000;
const HEAD = etcdKeys.auditLog('head');
const TAIL = etcdKeys.auditLog('tail');

/**
 * The ledger: the head of the chain is one key of etcd, moved by compare-and-swap in the transaction of the change
 * itself. The head is the newest entry, whole, and beside it the tail has those before it that the disk may lack, so
 * that neither a crash nor a power cut loses one: whoever goes on stores them first, and a write that could not be
 * recorded in the audit log for good is refused. Writers of this process take turns.
 */
export class EtcdLedger extends Ledger {
  readonly #mutex = new Mutex(MAX_WAITING, 'writes');
  readonly #unsynced: UnsyncedEntries;
  #known: Known | undefined;
  /** Hash of the entry that was tried last: the watch may tell of it before its own transaction is answered. */
  #own: string | undefined;
  #failure: string | undefined;

  constructor(
    private readonly etcd: EtcdStore,
    private readonly auditLog: SignedAuditLog,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    super();
    this.#unsynced = new UnsyncedEntries(() => auditLog.sync(), log);
  }

  override commit(change: LedgerChange): Promise<CommitResult> {
    const since = performance.now();
    return this.#mutex.run(() => this.#commit(change, since));
  }

  /** Whether entries can be stored; while they cannot, nothing is written. */
  health(): { readonly ok: boolean; readonly detail: string } {
    const failure = this.#failure ?? this.#unsynced.failure;
    return { ok: failure === undefined, detail: failure ?? 'all entries are stored' };
  }

  /**
   * Takes one message of the watch, in its turn: entries of other replicas reach this one's store, if it is another one.
   * Never rejects.
   */
  async follow(message: WatchMessage): Promise<void> {
    const changed = message.type === 'snapshot' ? message.items : message.changes;
    const entries = changed.flatMap(entriesIn).toSorted((a, b) => a.seq - b.seq);
    if (entries.length === 0 || entries.at(-1)?.hash === this.#own) return;
    try {
      await this.#mutex.run(async () => {
        for (const entry of entries)
          if (await this.auditLog.follow(entry)) this.#unsynced.add(entry);
      });
    } catch (error) {
      this.log.warn('entries of the audit log are not stored yet', { seq: entries[0]?.seq, error });
    }
  }

  /**
   * Stores what a crash has left in etcd alone, and, unless it may only look, repairs a head that is not where the
   * signed entries end; answers where the audit log goes on then.
   */
  async settle(options: { readonly repair: boolean }): Promise<string | undefined> {
    return this.#mutex.run(async () => {
      const known = await this.#readHead();
      this.#known = known;
      await this.#storeNewest(known);
      if (!known.resumption) return undefined;
      if (options.repair) await this.#resume(known, known.resumption);
      return known.resumption.target;
    });
  }

  /**
   * Tries again to store what waits, where something does: else nobody would know of new room before the next write.
   * So does an entry whose transaction was not answered.
   */
  @Periodic({ name: 'store-audit-log', everyMs: 1_000 })
  async retry(): Promise<void> {
    const unanswered = this.#known === undefined && this.#own !== undefined;
    if (this.health().ok && !unanswered) return;
    await this.#mutex.run(async () => {
      const known = this.#known ?? (await this.#readHead());
      this.#known = known;
      await this.#unsynced.room();
      await this.#tryToStore(known);
    });
  }

  /** `since`: when its caller began to wait, as of `performance.now`. */
  async #commit(change: LedgerChange, since: number): Promise<CommitResult> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const known = this.#known ?? (await untilAnswered(() => this.#readHead(), since)).result;
      await this.#unsynced.room();
      await this.#storeNewest(known);
      if (known.resumption) await this.#resume(known, known.resumption);
      else {
        const result = await this.#attempt(change, known, since);
        if (result) return result;
      }
    }
    throw writeConflict(change.auditLog.target);
  }

  /** Undefined where only the audit log's head had moved, so that the change deserves another attempt. */
  async #attempt(
    change: LedgerChange,
    known: Known,
    since: number,
  ): Promise<CommitResult | undefined> {
    const entry = this.#next(known, change.auditLog);
    const tail = this.#unsynced.all;
    this.#known = undefined;
    this.#own = entry.hash;
    const transaction: Transaction = {
      if: [...change.if, { key: HEAD, modRevision: known.revision }],
      then: [
        ...change.then,
        { type: 'put', key: HEAD, value: JSON.stringify(entry) },
        ...(tail.length > 0 || known.tailed ? [tailWrite(tail)] : []),
      ],
    };
    // It moves the head on from where it was: however often it is sent, it happens once at most.
    const { result, doubt } = await untilAnswered(() => this.etcd.transact(transaction), since);
    if (result.succeeded) {
      const { revision } = result;
      this.#known = { end: entry, revision, unstored: [entry], tailed: tail.length > 0 };
      await this.#tryToStore(this.#known);
      return { outcome: 'committed', revision };
    }
    try {
      const now = await this.#readHead();
      this.#known = now;
      if (now.revision === known.revision)
        return { outcome: 'conflict', revision: result.revision };
      return doubt && (await this.#ifHappened(entry, now));
    } catch (error) {
      throw doubt ?? error;
    }
  }

  /** Whether this entry's transaction was one of those that led here; throws where that cannot be said. */
  async #ifHappened(entry: AuditLogEntry, now: Known): Promise<CommitResult | undefined> {
    await this.#storeNewest(now);
    if (now.end.hash === entry.hash) return { outcome: 'committed', revision: now.revision };
    const [itself, next] = await this.auditLog.from(entry.seq, 2);
    if (itself?.hash !== entry.hash && itself?.seq === entry.seq) return undefined;
    if (next?.prev !== entry.hash) throw new Error('the entries after it are not stored yet');
    return { outcome: 'committed', revision: BigInt(next.revision) };
  }

  #next({ end, revision }: Known, draft: AuditLogDraft): AuditLogEntry {
    const { by, action, target, outcome = 'done', source, detail = {} } = draft;
    return auditLogEntry({
      v: 1,
      seq: end.seq + 1,
      time: isoNow(this.clock),
      actor: by,
      source: source ?? currentSource() ?? '',
      action,
      object: target.slice(0, 600),
      revision: revision.toString(),
      outcome,
      // What JSON does not carry must not be in the hash either.
      detail: JSON.parse(JSON.stringify(detail)) as Readonly<Record<string, unknown>>,
      prev: end.hash,
    });
  }

  /** Refuses the write that would follow one that is not stored: what waits for the store is in etcd. */
  async #storeNewest(known: Known): Promise<void> {
    try {
      for (const entry of known.unstored) {
        await this.auditLog.keep(entry);
        this.#unsynced.add(entry);
      }
      this.#known = { ...known, unstored: [] };
      this.#failure = undefined;
    } catch (cause) {
      throw this.#unwritable(cause);
    }
  }

  #unwritable(cause: unknown): ProblemError {
    const why = cause instanceof Error ? cause.message : String(cause);
    this.#failure = `no entry can be stored, so nothing is written: ${why}`;
    this.log.error('the audit log cannot be written, so nothing else is', { error: cause });
    return auditLogUnwritable(cause);
  }

  /** The change has happened: its caller hears so, and the next one what is wrong. */
  async #tryToStore(known: Known): Promise<void> {
    try {
      await this.#storeNewest(known);
    } catch {
      // Logged there; the next write begins with it.
    }
  }

  async #resume(known: Known, auditLog: AuditLogDraft): Promise<void> {
    const setAside = await this.auditLog.dropUnsigned();
    this.log.error('the head of the audit log was not where its entries end', {
      ...auditLog,
      setAside,
    });
    const told = { ...auditLog, detail: { ...auditLog.detail, setAside } };
    const change = { if: [], then: [], auditLog: told };
    await this.#attempt(change, { ...known, resumption: undefined }, performance.now());
  }

  async #storedEnd(): Promise<AuditLogPoint> {
    try {
      return await this.auditLog.end();
    } catch (cause) {
      throw this.#unwritable(cause);
    }
  }

  /** The store is read first: it never is ahead of an etcd that is read later. */
  async #readHead(): Promise<Known> {
    this.#unsynced.doubt();
    const stored = await this.#storedEnd();
    const { items } = await this.etcd.list(etcdKeys.auditLogs);
    const [found, tail] = [HEAD, TAIL].map((key) => items.find((item) => item.key === key));
    const [revision, tailed] = [found?.modRevision ?? 0n, tail !== undefined];
    if (!found && stored.seq === 0) return { end: AUDIT_LOG_START, revision, unstored: [], tailed };
    const head = found && readEntry(found.value.toString('utf8'));
    const newest = head && newestInEtcd(tail ? entriesIn(tail) : [], head);
    const unstored = newest && unstoredAfter(stored, newest);
    if (head && unstored) return { end: head, revision, unstored, tailed };
    if (stored.seq > 0)
      return { end: stored, revision, unstored: [], tailed, resumption: resumption(stored, head) };
    throw new ProblemError('unavailable', {
      detail:
        'the head of the audit log in etcd cannot be read and no entry is stored: it was damaged, or made by another version',
    });
  }
}

/** Entries in a key of the audit log, oldest first; what cannot be read is none. */
function entriesIn({ key, value }: { key: string; value?: Buffer }): readonly AuditLogEntry[] {
  if (key === TAIL) return readEntries(value?.toString('utf8') ?? '');
  const head = key === HEAD ? readEntry(value?.toString('utf8') ?? '') : undefined;
  return head ? [head] : [];
}

function tailWrite(tail: readonly AuditLogEntry[]): Write {
  if (tail.length === 0) return { type: 'delete', key: TAIL };
  return { type: 'put', key: TAIL, value: JSON.stringify(tail) };
}

/** etcd was restored, or somebody wrote its head: the signed entries are right, and say what was found. */
function resumption(stored: AuditLogPoint, head: AuditLogEntry | undefined): AuditLogDraft {
  return {
    by: SYSTEM,
    action: 'audit-log.resumed',
    target: `after ${stored.seq}`,
    detail: head ? { foundSeq: head.seq, foundHash: head.hash } : { found: 'nothing readable' },
  };
}
