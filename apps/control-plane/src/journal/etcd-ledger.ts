import {
  JOURNAL_START,
  followsInJournal,
  journalEntry,
  type JournalEntry,
  type JournalPoint,
} from '#bundle';
import { etcdKeys, type EtcdStore, type WatchMessage } from '#etcd';
import type { Log } from '#observability';
import { SYSTEM, currentSource } from '../access/caller.js';
import { isoNow, type Clock } from '../clock.js';
import { ProblemError } from '../http/index.js';
import { Turns } from '../turns.js';
import type { JournalDraft } from './journal-draft.js';
import { readEntry } from './journal-record.js';
import { Ledger, type CommitResult, type LedgerChange } from './ledger.js';
import type { SignedJournal } from './signed-journal.js';

/** Where the chain goes on. */
interface Known {
  readonly end: JournalPoint;
  /** Of the head's key; 0 where there is none. */
  readonly revision: bigint;
  /** The newest entry, where the store may lack it. */
  readonly unstored?: JournalEntry;
  /** What has to be told first: that the head was not where the signed entries end. */
  readonly resumption?: JournalDraft;
}

const ATTEMPTS = 20;
const MAX_WAITING = 1_000;
const HEAD = etcdKeys.journal('head');

/**
 * The ledger: the head of the chain is one key of etcd, moved by compare-and-swap in the transaction of the change
 * itself. The head is the newest entry, whole, so that a crash before the store has it loses nothing: whoever goes on
 * stores it first, and a write that could not be journalled for good is refused. Writers of this process take turns.
 */
export class EtcdLedger extends Ledger {
  readonly #turns = new Turns(MAX_WAITING);
  #known: Known | undefined;
  #failure: string | undefined;
  #retrying = false;

  constructor(
    private readonly etcd: EtcdStore,
    private readonly journal: SignedJournal,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    super();
  }

  override commit(change: LedgerChange): Promise<CommitResult> {
    return this.#turns.run(() => this.#commit(change));
  }

  /** Whether entries can be stored; while they cannot, nothing is written. */
  health(): { readonly ok: boolean; readonly detail: string } {
    const detail = this.#failure ?? 'all entries are stored';
    return { ok: this.#failure === undefined, detail };
  }

  /** Takes one message of the watch: entries of other replicas reach this one's store, if it is another one. */
  follow(message: WatchMessage): void {
    const changed = message.type === 'snapshot' ? message.items : message.changes;
    for (const { key, value } of changed) {
      if (key !== HEAD || !value) continue;
      const entry = readEntry(value.toString('utf8'));
      try {
        if (entry) this.journal.follow(entry);
      } catch (error) {
        this.log.warn('an entry of the journal is not stored yet', { seq: entry?.seq, error });
      }
    }
  }

  /**
   * Stores what a crash has left in etcd alone, and, unless it may only look, repairs a head that is not where the
   * signed entries end; answers where the journal goes on then.
   */
  async settle(options: { readonly repair: boolean }): Promise<string | undefined> {
    return this.#turns.run(async () => {
      const known = await this.#readHead();
      this.#known = known;
      this.#storeNewest(known);
      if (!known.resumption) return undefined;
      if (options.repair) await this.#resume(known, known.resumption);
      return known.resumption.target;
    });
  }

  /** Tries again to store what waits, where something does: else nobody would know of new room before the next write. */
  async retry(): Promise<void> {
    if (this.#failure === undefined || this.#retrying) return;
    this.#retrying = true;
    try {
      await this.#turns.run(async () => {
        const known = this.#known ?? (await this.#readHead());
        this.#known = known;
        if (known.unstored) this.#tryToStore(known);
        else this.#failure = undefined;
      });
    } catch (error) {
      this.log.warn('the journal cannot be looked at, trying again', { error });
    } finally {
      this.#retrying = false;
    }
  }

  async #commit(change: LedgerChange): Promise<CommitResult> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const known = this.#known ?? (await this.#readHead());
      this.#storeNewest(known);
      if (known.resumption) await this.#resume(known, known.resumption);
      else {
        const result = await this.#attempt(change, known);
        if (result) return result;
      }
    }
    throw new ProblemError('conflict', { detail: 'other writers were faster; try again' });
  }

  /** Undefined where only the journal's head had moved, so that the change deserves another attempt. */
  async #attempt(change: LedgerChange, known: Known): Promise<CommitResult | undefined> {
    const entry = this.#next(known, change.journal);
    this.#known = undefined;
    const result = await this.etcd.transact({
      if: [...change.if, { key: HEAD, modRevision: known.revision }],
      then: [...change.then, { type: 'put', key: HEAD, value: JSON.stringify(entry) }],
    });
    if (result.succeeded) {
      this.#known = { end: entry, revision: result.revision, unstored: entry };
      this.#tryToStore(this.#known);
      return { outcome: 'committed', revision: result.revision };
    }
    const now = await this.#readHead();
    this.#known = now;
    return now.revision === known.revision
      ? { outcome: 'conflict', revision: result.revision }
      : undefined;
  }

  #next({ end, revision }: Known, draft: JournalDraft): JournalEntry {
    const { by, action, target, outcome = 'done', source, detail = {} } = draft;
    return journalEntry({
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

  /** Refuses the write that would follow one that is not stored: so at most one ever waits, and etcd has it. */
  #storeNewest(known: Known): void {
    if (!known.unstored) return;
    try {
      this.journal.keep(known.unstored);
      this.#known = { ...known, unstored: undefined };
      this.#failure = undefined;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#failure = `no entry can be stored, so nothing is written: ${why}`;
      this.log.error('the journal cannot be written, so nothing else is', { error: cause });
      throw new ProblemError('unavailable', {
        cause,
        detail: 'the journal cannot be written (is the disk full?), so nothing else is',
        headers: { 'retry-after': '5' },
      });
    }
  }

  /** The change has happened: its caller hears so, and the next one what is wrong. */
  #tryToStore(known: Known): void {
    try {
      this.#storeNewest(known);
    } catch {
      // Logged there; the next write begins with it.
    }
  }

  async #resume(known: Known, journal: JournalDraft): Promise<void> {
    const setAside = this.journal.dropUnsigned();
    this.log.error('the head of the journal was not where its entries end', {
      ...journal,
      setAside,
    });
    const told = { ...journal, detail: { ...journal.detail, setAside } };
    await this.#attempt(
      { if: [], then: [], journal: told },
      { end: known.end, revision: known.revision },
    );
  }

  /** The store is read first: it never is ahead of an etcd that is read later. */
  async #readHead(): Promise<Known> {
    const stored = this.journal.end();
    const found = await this.etcd.get(HEAD);
    const revision = found?.modRevision ?? 0n;
    if (!found && stored.seq === 0) return { end: JOURNAL_START, revision };
    const head = found && readEntry(found.value.toString('utf8'));
    if (head && goesOn(stored, head))
      return { end: head, revision, unstored: head.seq === stored.seq ? undefined : head };
    if (stored.seq > 0) return { end: stored, revision, resumption: resumption(stored, head) };
    throw new ProblemError('unavailable', {
      detail:
        'the head of the journal in etcd cannot be read and no entry is stored: it was damaged, or made by another version',
    });
  }
}

/** Whether etcd's head may follow the signed entries: it is their end, or beyond it. */
function goesOn(stored: JournalPoint, head: JournalEntry): boolean {
  if (head.seq === stored.seq) return head.hash === stored.hash;
  if (head.seq === stored.seq + 1) return followsInJournal(stored, head);
  // A store that lacks entries: what they were nobody can say here, and the journal shows the gap.
  const before = { seq: head.seq - 1, hash: head.prev };
  return head.seq > stored.seq && followsInJournal(before, head);
}

/** etcd was restored, or somebody wrote its head: the signed entries are right, and say what was found. */
function resumption(stored: JournalPoint, head: JournalEntry | undefined): JournalDraft {
  return {
    by: SYSTEM,
    action: 'journal.resumed',
    target: `after ${stored.seq}`,
    detail: head ? { foundSeq: head.seq, foundHash: head.hash } : { found: 'nothing readable' },
  };
}
