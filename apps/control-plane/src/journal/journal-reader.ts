import { etcdKeys, type EtcdStore } from '#etcd';
import { decodeEntry, decodeHead, type JournalEntry } from './journal-entry.js';
import { journalEntryKey } from './etcd-ledger.js';

/** Entries of the journal, newest first, as of one revision. */
export interface JournalPage {
  readonly entries: readonly JournalEntry[];
  readonly revision: bigint;
}

/** Reads the journal. */
export abstract class JournalReader {
  /** At most `limit` entries before number `before`, or the newest. */
  abstract before(before: number | undefined, limit: number): Promise<JournalPage>;
}

/** The journal on etcd: numbers have no gaps, so a page is a range of keys. */
export class EtcdJournalReader extends JournalReader {
  constructor(private readonly etcd: EtcdStore) {
    super();
  }

  override async before(before: number | undefined, limit: number): Promise<JournalPage> {
    const head = await this.etcd.get(etcdKeys.journal('head'));
    if (!head) return { entries: [], revision: 0n };
    const end = Math.min(before ?? Number.MAX_SAFE_INTEGER, decodeHead(head.value).seq + 1);
    const first = Math.max(1, end - limit);
    const { items } = await this.etcd.page(JOURNAL, {
      limit: Math.max(1, end - first),
      after: journalEntryKey(first - 1),
      revision: head.modRevision,
    });
    const entries = items
      .filter(({ key }) => key < journalEntryKey(end))
      .map(({ value }) => decodeEntry(value))
      .reverse();
    return { entries, revision: head.modRevision };
  }
}

const JOURNAL = `${etcdKeys.root}journal/`;
