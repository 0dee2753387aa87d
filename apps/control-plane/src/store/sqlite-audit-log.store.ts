import { open } from 'node:fs/promises';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import type { AuditLogEntry, SignedDocument } from '#bundle';
import { readRow } from './audit-log-record.js';
import { AuditLogStore, type SignedEntry } from './audit-log.store.js';

/** As JSON.stringify writes it; no other value can hold these bytes, since a quote in one is escaped. */
const IS_RESTORATION = `instr(body, '"action":"audit-log.restored"') > 0`;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY,
    body TEXT NOT NULL,
    head TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS set_aside (
    at TEXT NOT NULL,
    seq INTEGER NOT NULL,
    body TEXT NOT NULL,
    head TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS restorations ON entries (seq) WHERE ${IS_RESTORATION};
`;

/**
 * The audit log in one SQLite file beside the alerts. `synchronous = NORMAL`: a commit does not wait for the disk, which
 * would hold up everything else that this process does; `sync` waits for it in a thread of the pool.
 */
export class SqliteAuditLogStore extends AuditLogStore {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;

  constructor(private readonly path: string) {
    super();
    this.#db = new DatabaseSync(path);
    this.#db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000;',
    );
    this.#db.exec(SCHEMA);
    this.#insert = this.#db.prepare(
      'INSERT INTO entries (seq, body, head) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    );
  }

  override add(entry: AuditLogEntry, head: SignedDocument): Promise<'added' | 'known' | 'differs'> {
    return Promise.try(() => this.#add(entry, head));
  }

  #add(entry: AuditLogEntry, head: SignedDocument): 'added' | 'known' | 'differs' {
    const values = [entry.seq, JSON.stringify(entry), JSON.stringify(head)];
    if (Number(this.#insert.run(...values).changes) > 0) return 'added';
    return this.#get(entry.seq)?.entry.hash === entry.hash ? 'known' : 'differs';
  }

  /** As SQLite does it after each commit with `synchronous = FULL`: all of a commit is in the log beside the file. */
  override async sync(): Promise<void> {
    try {
      const log = await open(`${this.path}-wal`, 'r');
      await log.datasync().finally(() => log.close());
    } catch (error) {
      // Closing put all of it into the file itself.
      if (this.#db.isOpen) this.#putIntoFile(error);
    }
  }

  /**
   * A log that is gone, or whose sync failed once, proves nothing when it is synced again: what is in it goes into the
   * file itself, synced by SQLite.
   */
  #putIntoFile(cause: unknown): void {
    const done = this.#db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
    if (done?.['busy'] !== 0)
      throw new Error('the audit log cannot be synced: another process keeps its file busy', {
        cause,
      });
  }

  override newest(limit: number): Promise<readonly SignedEntry[]> {
    const sql = 'SELECT seq, body, head FROM entries ORDER BY seq DESC LIMIT ?';
    return Promise.try(() => this.#rows(sql, [limit]));
  }

  override get(seq: number): Promise<SignedEntry | undefined> {
    return Promise.try(() => this.#get(seq));
  }

  override restorations(): Promise<readonly SignedEntry[]> {
    const sql = `SELECT seq, body, head FROM entries WHERE ${IS_RESTORATION} ORDER BY seq`;
    return Promise.try(() => this.#rows(sql, []));
  }

  override before(before: number, limit: number): Promise<readonly AuditLogEntry[]> {
    const sql = 'SELECT seq, body, head FROM entries WHERE seq < ? ORDER BY seq DESC LIMIT ?';
    return Promise.try(() => this.#rows(sql, [before, limit]).map(({ entry }) => entry));
  }

  override from(from: number, limit: number): Promise<readonly AuditLogEntry[]> {
    const sql = 'SELECT seq, body, head FROM entries WHERE seq >= ? ORDER BY seq LIMIT ?';
    return Promise.try(() => this.#rows(sql, [from, limit]).map(({ entry }) => entry));
  }

  override setAside(seq: number): Promise<number> {
    return Promise.try(() => this.#setAside(seq));
  }

  close(): void {
    this.#db.close();
  }

  #get(seq: number): SignedEntry | undefined {
    return this.#rows('SELECT seq, body, head FROM entries WHERE seq = ?', [seq])[0];
  }

  #setAside(seq: number): number {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      this.#db
        .prepare('INSERT INTO set_aside SELECT ?, seq, body, head FROM entries WHERE seq > ?')
        .run(new Date().toISOString(), seq);
      const { changes } = this.#db.prepare('DELETE FROM entries WHERE seq > ?').run(seq);
      this.#db.exec('COMMIT');
      return Number(changes);
    } catch (error) {
      // A full disk may have ended the transaction already.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Rows whose body is an entry of their number; others are left out, and so become gaps. */
  #rows(sql: string, values: readonly SQLInputValue[]): readonly SignedEntry[] {
    return this.#db
      .prepare(sql)
      .all(...values)
      .flatMap((row) => readRow(row) ?? []);
  }
}
