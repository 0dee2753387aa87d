import { randomBytes } from 'node:crypto';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import type { Alert, AlertBatch } from '#contracts';
import {
  AlertStore,
  alertTime,
  type AlertFilter,
  type StoreOutcome,
  type StoredAlert,
  PRUNE_EVERY,
  UnstorableBatch,
} from './alert.store.js';
import { compareEventIds } from './parse-alert-batch.js';
import { OF_HOSTS, alertQuery, windowsOf, type AlertSearch } from './sqlite-alert-query.js';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS alerts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    node_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    node TEXT NOT NULL,
    policy TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (node_id, event_id)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS alerts_by_node ON alerts (node, id);
  CREATE INDEX IF NOT EXISTS alerts_by_policy ON alerts (policy, id);
  CREATE INDEX IF NOT EXISTS alerts_by_event ON alerts (event_id, id);
  CREATE INDEX IF NOT EXISTS alerts_by_time ON alerts (time_ms);
  CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS cursors (node_id TEXT PRIMARY KEY, last TEXT NOT NULL) STRICT;
`;

/** So many alerts are sorted at once. */
const FEW = 10_000;

/**
 * Alerts in one SQLite file beside the control plane. `synchronous = FULL`: hosts drop what we say is stored, so it
 * must outlive a power cut.
 */
export class SqliteAlertStore extends AlertStore {
  readonly #db: DatabaseSync;
  readonly #id: string;
  #sincePrune = 0;
  #failure: string | undefined;

  constructor(
    path: string,
    private readonly kept: number,
  ) {
    super();
    this.#db = new DatabaseSync(path);
    this.#db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 2000;',
    );
    this.#db.exec(SCHEMA);
    this.#id = this.#identify();
  }

  override add(nodeId: string, batch: AlertBatch): Promise<StoreOutcome> {
    return Promise.try(() => this.#add(nodeId, batch));
  }

  #add(nodeId: string, batch: AlertBatch): StoreOutcome {
    return this.#written(() => this.#insert(nodeId, batch));
  }

  override health(): { readonly ok: boolean; readonly detail: string } {
    const ok = this.#failure === undefined;
    return { ok, detail: this.#failure ?? 'all that came could be stored' };
  }

  override retry(): Promise<void> {
    if (this.#failure === undefined) return Promise.resolve();
    try {
      this.#written(() => {
        this.#db.exec(`INSERT OR REPLACE INTO cursors (node_id, last) VALUES ('', '')`);
        this.#db.exec(`DELETE FROM cursors WHERE node_id = ''`);
      });
    } catch {
      // That it still cannot be written is its health.
    }
    return Promise.resolve();
  }

  override cursorOf(nodeId: string): Promise<string | undefined> {
    return Promise.try(() => this.#cursorOf(nodeId));
  }

  #cursorOf(nodeId: string): string | undefined {
    const row = this.#db.prepare('SELECT last FROM cursors WHERE node_id = ?').get(nodeId);
    const last = row?.['last'];
    return typeof last === 'string' ? last : undefined;
  }

  override before(
    filter: AlertFilter,
    before: number | undefined,
    limit: number,
  ): Promise<readonly StoredAlert[]> {
    const to = (before ?? Number.MAX_SAFE_INTEGER) - 1;
    return this.#select({ filter, from: 0, to, order: 'DESC', limit });
  }

  override after(
    filter: AlertFilter,
    after: number,
    limit: number,
  ): Promise<readonly StoredAlert[]> {
    const to = Number.MAX_SAFE_INTEGER;
    return this.#select({ filter, from: after + 1, to, order: 'ASC', limit });
  }

  override byEventId(
    eventId: string,
    { node, nodeIds }: Pick<AlertFilter, 'node' | 'nodeIds'>,
  ): Promise<StoredAlert | undefined> {
    const ids = nodeIds ? JSON.stringify(nodeIds) : null;
    const sql =
      'SELECT id, body FROM alerts WHERE event_id = ? AND (? IS NULL OR node = ?) ' +
      'AND (? IS NULL OR node_id IN (SELECT value FROM json_each(?))) ORDER BY id DESC LIMIT 1';
    const values = [eventId, node ?? null, node ?? null, ids, ids];
    return Promise.try(() => this.#rows(sql, values)[0]);
  }

  override id(): Promise<string> {
    return Promise.resolve(this.#id);
  }

  /** Made once. Where it cannot be stored it holds until the next start: who reads must be able to on a full disk. */
  #identify(): string {
    const row = this.#db.prepare('SELECT id FROM identity').get();
    if (row) return String(row['id']);
    const made = randomBytes(4).toString('hex');
    try {
      this.#db.prepare('INSERT INTO identity VALUES (?)').run(made);
    } catch {
      // Whether alerts can be stored is told with the first that comes.
    }
    return made;
  }

  override lastId(): Promise<number> {
    return Promise.try(() => this.#lastId());
  }

  #lastId(): number {
    const row = this.#db.prepare('SELECT max(id) AS last FROM alerts').get();
    return Number(row?.['last'] ?? 0);
  }

  close(): void {
    this.#db.close();
  }

  /** In one transaction; whether it came through is the health from now on. */
  #written<T>(write: () => T): T {
    try {
      const outcome = this.#transaction(write);
      this.#failure = undefined;
      return outcome;
    } catch (error) {
      if (isBadValue(error)) throw new UnstorableBatch(error);
      this.#failure = error instanceof Error ? error.message : String(error);
      throw error;
    }
  }

  #transaction<T>(write: () => T): T {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const outcome = write();
      this.#db.exec('COMMIT');
      return outcome;
    } catch (error) {
      // A full disk may have ended the transaction already.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #insert(nodeId: string, batch: AlertBatch): StoreOutcome {
    const insert = this.#db.prepare(
      'INSERT INTO alerts (node_id, event_id, node, policy, time_ms, body) VALUES (?, ?, ?, ?, ?, ?) ' +
        'ON CONFLICT DO NOTHING',
    );
    const known = this.#cursorOf(nodeId);
    let stored = 0;
    for (const alert of batch.alerts) {
      // Below the cursor it was stored once, and may have been pruned since.
      if (known !== undefined && compareEventIds(alert.EventID, known) <= 0) continue;
      const { Node, PolicyName, EventID } = alert;
      stored += Number(
        insert.run(nodeId, EventID, Node, PolicyName, alertTime(alert), JSON.stringify(alert))
          .changes,
      );
    }
    const last = known !== undefined && compareEventIds(known, batch.last) > 0 ? known : batch.last;
    this.#db
      .prepare('INSERT OR REPLACE INTO cursors (node_id, last) VALUES (?, ?)')
      .run(nodeId, last);
    this.#prune(stored);
    return { stored, duplicates: batch.alerts.length - stored, last };
  }

  #prune(stored: number): void {
    this.#sincePrune += stored;
    if (this.#sincePrune < Math.min(PRUNE_EVERY, this.kept)) return;
    this.#sincePrune = 0;
    this.#db.prepare('DELETE FROM alerts WHERE id <= ?').run(this.#lastId() - this.kept);
  }

  async #select(search: Omit<AlertSearch, 'byTime' | 'byHost'>): Promise<readonly StoredAlert[]> {
    const { sinceMs, nodeIds } = search.filter;
    const byTime = sinceMs !== undefined && this.#areFew('time_ms >= ?', sinceMs);
    // Who follows is mostly near the end, where a walk is short, and asks again at each alert that comes.
    const mayBeFew = nodeIds !== undefined && !byTime && search.order === 'DESC';
    const byHost = mayBeFew && this.#areFew(OF_HOSTS, JSON.stringify(nodeIds));
    return byTime || byHost
      ? this.#read({ ...search, byTime, byHost })
      : this.#walk({ ...search, byTime, byHost });
  }

  /** A walk to what is rare may go through all that are kept: others have their turn between its parts. */
  async #walk(search: AlertSearch): Promise<readonly StoredAlert[]> {
    const { first, last } = this.#extent();
    const from = Math.max(search.from, first);
    const to = Math.min(search.to, last);
    const found: StoredAlert[] = [];
    let isFirst = true;
    for (const window of windowsOf({ ...search, from, to })) {
      if (!isFirst) await turn();
      isFirst = false;
      found.push(...this.#read({ ...search, ...window, limit: search.limit - found.length }));
      if (found.length >= search.limit) break;
    }
    return found;
  }

  #read(search: AlertSearch): readonly StoredAlert[] {
    const { sql, values } = alertQuery(search);
    return this.#rows(sql, values);
  }

  #extent(): { readonly first: number; readonly last: number } {
    // Each by itself is found in the index; both in one signed status are a walk through the table.
    const row = this.#db.prepare('SELECT min(id) AS first FROM alerts').get();
    return { first: Number(row?.['first'] ?? 0), last: this.#lastId() };
  }

  /** Where many are, a walk from the newest on finds enough of them soon; where few are it would go through all. */
  #areFew(test: string, value: SQLInputValue): boolean {
    const sql = `SELECT 1 FROM alerts WHERE ${test} LIMIT 1 OFFSET ?`;
    return this.#db.prepare(sql).get(value, FEW) === undefined;
  }

  #rows(sql: string, values: readonly SQLInputValue[]): readonly StoredAlert[] {
    return this.#db
      .prepare(sql)
      .all(...values)
      .map((row) => ({ id: Number(row['id']), alert: JSON.parse(String(row['body'])) as Alert }));
  }
}

/** Has the store in this file be told from the one that it is a copy of, once it is opened: both give the same numbers. */
export function forgetIdentity(path: string): void {
  const db = new DatabaseSync(path);
  try {
    db.exec('DROP TABLE IF EXISTS identity');
  } finally {
    db.close();
  }
}

/** SQLITE_TOOBIG, SQLITE_MISMATCH, and of SQLITE_CONSTRAINT: CHECK, NOT NULL, DATATYPE. */
const BAD_VALUES: ReadonlySet<unknown> = new Set([18, 20, 275, 1_299, 3_091]);

/** Whether SQLite refused a value that was given to it. */
function isBadValue(error: unknown): error is { readonly message: string } {
  if (typeof error !== 'object' || error === null) return false;
  return BAD_VALUES.has(Reflect.get(error, 'errcode'));
}
