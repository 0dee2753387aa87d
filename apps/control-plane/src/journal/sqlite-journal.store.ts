import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type { JournalEntry, SignedDocument } from '#bundle';
import { readEntry } from './journal-record.js';
import { JournalStore, type SignedEntry } from './journal.store.js';

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
`;

/** The journal in one SQLite file beside the alerts. `synchronous = FULL`: what is said to be journalled outlives a power cut. */
export class SqliteJournalStore extends JournalStore {
  readonly #db: DatabaseSync;

  constructor(path: string) {
    super();
    this.#db = new DatabaseSync(path);
    this.#db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000;',
    );
    this.#db.exec(SCHEMA);
  }

  override add(entry: JournalEntry, head: SignedDocument): 'added' | 'known' | 'differs' {
    const insert = this.#db.prepare(
      'INSERT INTO entries (seq, body, head) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    );
    const added = insert.run(entry.seq, JSON.stringify(entry), JSON.stringify(head)).changes;
    if (Number(added) > 0) return 'added';
    return this.get(entry.seq)?.entry.hash === entry.hash ? 'known' : 'differs';
  }

  override newest(limit: number): readonly SignedEntry[] {
    return this.#rows('SELECT seq, body, head FROM entries ORDER BY seq DESC LIMIT ?', [limit]);
  }

  override get(seq: number): SignedEntry | undefined {
    return this.#rows('SELECT seq, body, head FROM entries WHERE seq = ?', [seq])[0];
  }

  override before(before: number, limit: number): readonly JournalEntry[] {
    const sql = 'SELECT seq, body, head FROM entries WHERE seq < ? ORDER BY seq DESC LIMIT ?';
    return this.#rows(sql, [before, limit]).map(({ entry }) => entry);
  }

  override from(from: number, limit: number): readonly JournalEntry[] {
    const sql = 'SELECT seq, body, head FROM entries WHERE seq >= ? ORDER BY seq LIMIT ?';
    return this.#rows(sql, [from, limit]).map(({ entry }) => entry);
  }

  override setAside(seq: number): number {
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

  override close(): void {
    this.#db.close();
  }

  /** Rows whose body is an entry of their number; others are left out, and so become gaps. */
  #rows(sql: string, values: readonly SQLInputValue[]): readonly SignedEntry[] {
    return this.#db
      .prepare(sql)
      .all(...values)
      .flatMap((row) => {
        const entry = readEntry(String(row['body']));
        const head = parsed(String(row['head']));
        return entry && entry.seq === row['seq'] ? [{ entry, head }] : [];
      });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
