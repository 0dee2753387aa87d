import { etcdKeys, type EtcdStore, type Write } from '#etcd';
import { ProblemError } from '../http/index.js';
import { isoNow, type Clock } from '../clock.js';
import { Turns } from '../turns.js';
import { EMPTY_HEAD, decodeHead, nextEntry, type JournalHead } from './journal-entry.js';
import { Ledger, type CommitResult, type LedgerChange } from './ledger.js';

interface KnownHead {
  readonly head: JournalHead;
  readonly revision: bigint;
}

const ATTEMPTS = 20;
const MAX_WAITING = 1_000;
const HEAD = etcdKeys.journal('head');
/** Entries that are kept; an older one goes with the write that adds one. The hash of the last one kept vouches for it. */
const KEPT_ENTRIES = 10_000;

/** Key of an entry; its number is padded so that keys sort as numbers. */
export function journalEntryKey(seq: number): string {
  return etcdKeys.journal(seq.toString().padStart(12, '0'));
}

/** The ledger on etcd. Writers of this process take turns; those of other replicas are met by compare-and-swap. */
export class EtcdLedger extends Ledger {
  readonly #turns = new Turns(MAX_WAITING);
  #known: KnownHead | undefined;

  constructor(
    private readonly etcd: EtcdStore,
    private readonly clock: Clock,
    private readonly kept = KEPT_ENTRIES,
  ) {
    super();
  }

  override commit(change: LedgerChange): Promise<CommitResult> {
    return this.#turns.run(() => this.#commit(change));
  }

  async #commit(change: LedgerChange): Promise<CommitResult> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const known = this.#known ?? (await this.#readHead());
      const result = await this.#attempt(change, known);
      if (result) return result;
    }
    throw new ProblemError('conflict', { detail: 'other writers were faster; try again' });
  }

  /** Undefined where only the journal's head had moved, so that the change deserves another attempt. */
  async #attempt(change: LedgerChange, known: KnownHead): Promise<CommitResult | undefined> {
    const entry = nextEntry(known.head, change.journal, isoNow(this.clock));
    const head: JournalHead = { v: 1, seq: entry.seq, hash: entry.hash };
    this.#known = undefined;
    const result = await this.etcd.transact({
      if: [...change.if, { key: HEAD, modRevision: known.revision }],
      then: [
        ...change.then,
        { type: 'put', key: journalEntryKey(entry.seq), value: JSON.stringify(entry) },
        { type: 'put', key: HEAD, value: JSON.stringify(head) },
        ...this.#outdated(entry.seq),
      ],
    });
    if (result.succeeded) {
      this.#known = { head, revision: result.revision };
      return { outcome: 'committed', revision: result.revision };
    }
    const now = await this.#readHead();
    this.#known = now;
    return now.revision === known.revision
      ? { outcome: 'conflict', revision: result.revision }
      : undefined;
  }

  #outdated(newest: number): readonly Write[] {
    const oldest = newest - this.kept;
    return oldest > 0 ? [{ type: 'delete', key: journalEntryKey(oldest) }] : [];
  }

  async #readHead(): Promise<KnownHead> {
    const found = await this.etcd.get(HEAD);
    if (!found) return { head: EMPTY_HEAD, revision: 0n };
    return { head: decodeHead(found.value), revision: found.modRevision };
  }
}
