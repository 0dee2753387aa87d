import type { AuditLogEntry } from '#bundle';
import type { Log } from '#observability';
import { auditLogUnwritable } from './audit-log-unwritable.js';

/** As many are put into etcd again with each entry that follows, until the disk has them. */
const MAX_ENTRIES = 64;
const MAX_BYTES = 128 * 1024;
const SYNC_WITHIN_MS = 5_000;

/**
 * Entries that are stored and that a power cut may still take: the ledger keeps them in etcd meanwhile. One sync is
 * under way at a time, for all that were stored before it began, so that no write waits for the disk.
 */
export class UnsyncedEntries {
  readonly #entries: AuditLogEntry[] = [];
  #bytes = 0;
  /** How often somebody else may have stored something, and up to which time a sync has covered it. */
  #doubted = 0;
  #covered = 0;
  #failure: string | undefined;
  #syncing: Promise<void> | undefined;

  constructor(
    private readonly sync: () => Promise<void>,
    private readonly log: Log,
  ) {}

  /** Oldest first. */
  get all(): readonly AuditLogEntry[] {
    return [...this.#entries];
  }

  /** Why the last sync failed; undefined where it did not. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** An entry that was stored. */
  add(entry: AuditLogEntry): void {
    this.#entries.push(entry);
    this.#bytes += JSON.stringify(entry).length;
    void this.#sync();
  }

  /** What is in the store now may come from another process, or an earlier one: it is synced before the next write. */
  doubt(): void {
    this.#doubted += 1;
  }

  /** Resolves when another entry may be written; throws 503 where the disk does not take the ones before. */
  async room(): Promise<void> {
    if (!this.#isFull()) return;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, SYNC_WITHIN_MS);
    await Promise.race([this.#sync(), late.promise]);
    clearTimeout(timer);
    if (!this.#isFull()) return;
    this.#failure ??= `the disk did not take it within ${SYNC_WITHIN_MS} ms`;
    throw auditLogUnwritable(new Error(this.#failure));
  }

  #isFull(): boolean {
    if (this.#covered < this.#doubted || this.#failure !== undefined) return true;
    return this.#entries.length >= MAX_ENTRIES || this.#bytes >= MAX_BYTES;
  }

  #sync(): Promise<void> {
    this.#syncing ??= this.#syncAll().finally(() => (this.#syncing = undefined));
    return this.#syncing;
  }

  /** Never rejects. */
  async #syncAll(): Promise<void> {
    try {
      do {
        const [count, doubted] = [this.#entries.length, this.#doubted];
        await this.sync();
        for (const entry of this.#entries.splice(0, count))
          this.#bytes -= JSON.stringify(entry).length;
        this.#covered = doubted;
        this.#failure = undefined;
      } while (this.#entries.length > 0 || this.#covered < this.#doubted);
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      this.log.error('the audit log cannot be synced to the disk', { error });
    }
  }
}
