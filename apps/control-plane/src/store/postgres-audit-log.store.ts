import type { AuditLogEntry, SignedDocument } from '#bundle';
import type { PostgresDatabase } from '#postgresql';
import { readRow } from './audit-log-record.js';
import { AuditLogStore, type SignedEntry } from './audit-log.store.js';

const ENTRIES = 'SELECT seq, body, head FROM hostward.audit_log';

/** The audit log in PostgreSQL: one for all replicas. */
export class PostgresAuditLogStore extends AuditLogStore {
  constructor(private readonly database: PostgresDatabase) {
    super();
  }

  override async add(
    entry: AuditLogEntry,
    head: SignedDocument,
  ): Promise<'added' | 'known' | 'differs'> {
    const { count } = await this.database.query(
      'INSERT INTO hostward.audit_log (seq, body, head) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [entry.seq, JSON.stringify(entry), JSON.stringify(head)],
    );
    if (count > 0) return 'added';
    return (await this.get(entry.seq))?.entry.hash === entry.hash ? 'known' : 'differs';
  }

  /** A commit has waited for the disk. */
  override sync(): Promise<void> {
    return Promise.resolve();
  }

  override newest(limit: number): Promise<readonly SignedEntry[]> {
    return this.#rows(`${ENTRIES} ORDER BY seq DESC LIMIT $1`, [limit]);
  }

  override async get(seq: number): Promise<SignedEntry | undefined> {
    return (await this.#rows(`${ENTRIES} WHERE seq = $1`, [seq]))[0];
  }

  override restorations(): Promise<readonly SignedEntry[]> {
    const sql = `${ENTRIES} WHERE strpos(body, '"action":"audit-log.restored"') > 0 ORDER BY seq`;
    return this.#rows(sql, []);
  }

  override async before(before: number, limit: number): Promise<readonly AuditLogEntry[]> {
    const sql = `${ENTRIES} WHERE seq < $1 ORDER BY seq DESC LIMIT $2`;
    return (await this.#rows(sql, [before, limit])).map(({ entry }) => entry);
  }

  override async from(from: number, limit: number): Promise<readonly AuditLogEntry[]> {
    const sql = `${ENTRIES} WHERE seq >= $1 ORDER BY seq LIMIT $2`;
    return (await this.#rows(sql, [from, limit])).map(({ entry }) => entry);
  }

  override async setAside(seq: number): Promise<number> {
    const { count } = await this.database.query(
      'WITH gone AS (DELETE FROM hostward.audit_log WHERE seq > $1 RETURNING seq, body, head) ' +
        'INSERT INTO hostward.audit_log_set_aside SELECT now(), seq, body, head FROM gone',
      [seq],
    );
    return count;
  }

  async #rows(sql: string, values: readonly number[]): Promise<readonly SignedEntry[]> {
    return (await this.database.query(sql, values)).rows.flatMap((row) => readRow(row) ?? []);
  }
}
