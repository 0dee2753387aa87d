import type { AuditLogEntry, SignedDocument } from '#bundle';

/** An entry, and the head that was signed when it was the newest. */
export interface SignedEntry {
  readonly entry: AuditLogEntry;
  readonly head: unknown;
}

/**
 * Keeps the entries of the audit log. Everything in it may have been changed behind our back: readers verify. Rejects where
 * the store is away or full.
 */
export abstract class AuditLogStore {
  /**
   * Keeps an entry, over the end of this process, and after `sync` over a power cut; `differs` where another one has its
   * number, which then stays.
   */
  abstract add(entry: AuditLogEntry, head: SignedDocument): Promise<'added' | 'known' | 'differs'>;

  /** Resolves when all that was added before the call is on the disk; rejects where that cannot be said. */
  abstract sync(): Promise<void>;

  /** The newest entries with what was signed, newest first; without those that cannot be read. */
  abstract newest(limit: number): Promise<readonly SignedEntry[]>;

  /** The entry of a number with what was signed; undefined where there is none that can be read. */
  abstract get(seq: number): Promise<SignedEntry | undefined>;

  /** Entries that tell of a restore from a backup, oldest first, with what was signed. */
  abstract restorations(): Promise<readonly SignedEntry[]>;

  /** At most `limit` entries before number `before`, newest first. */
  abstract before(before: number, limit: number): Promise<readonly AuditLogEntry[]>;

  /** At most `limit` entries from number `from` on, oldest first. */
  abstract from(from: number, limit: number): Promise<readonly AuditLogEntry[]>;

  /** Takes entries after number `seq` out of the audit log and keeps them as evidence; answers how many. */
  abstract setAside(seq: number): Promise<number>;
}
