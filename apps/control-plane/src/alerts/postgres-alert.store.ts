import type { Alert, AlertBatch } from '#contracts';
import {
  PostgresBadValue,
  PostgresUnavailable,
  type PostgresDatabase,
  type Query,
  type Row,
} from '#postgresql';
import { Mutex } from '../http/mutex.js';
import {
  AlertStore,
  PRUNE_EVERY,
  UnstorableBatch,
  alertTime,
  type AlertFilter,
  type StoreOutcome,
  type StoredAlert,
} from './alert.store.js';
import { compareEventIds } from './parse-alert-batch.js';

/** Which of the two tables. */
export type AlertKind = 'alerts' | 'telemetry_events';

/** Beyond what hosts are read at once, so that none is turned away. */
const MAX_WAITING = 1_000;

/**
 * Alerts in PostgreSQL, for any number of replicas. A batch is one transaction, which first takes the row of the counter:
 * so writers of all replicas take turns, and numbers become visible in their order. A sequence would give them out in the
 * order in which transactions begin, and a reader would pass by one that commits later.
 */
export class PostgresAlertStore extends AlertStore {
  /** One connection for writing, whatever waits. */
  readonly #mutex = new Mutex(MAX_WAITING, 'writes of alerts');
  #failure: string | undefined;

  /** `readers` are the connections for those who read alerts, of whom many come at once. */
  constructor(
    private readonly database: PostgresDatabase,
    private readonly kind: AlertKind,
    private readonly kept: number,
    private readonly readers = database,
  ) {
    super();
  }

  override add(nodeId: string, batch: AlertBatch): Promise<StoreOutcome> {
    return this.#written((query) => this.#addAll(query, nodeId, batch));
  }

  override health(): { readonly ok: boolean; readonly detail: string } {
    const database = this.database.health();
    if (!database.ok || this.#failure === undefined) return database;
    return { ok: false, detail: this.#failure };
  }

  override async retry(): Promise<void> {
    if (this.#failure === undefined) return;
    try {
      await this.#written(async (query) => {
        const counters = 'FROM hostward.counters WHERE kind = $1';
        await query(`SELECT last ${counters} FOR UPDATE`, [this.kind]);
        // What a batch needs leave for, of an alert that stays in no table.
        const columns = 'id, node_id, event_id, node, policy, time_ms, body';
        await query(
          `INSERT INTO hostward.${this.kind} (${columns}) SELECT -1, '', '', '', '', 0, '{}' ${counters}`,
          [this.kind],
        );
        await query(`DELETE FROM hostward.${this.kind} WHERE id = -1`);
      });
    } catch {
      // That it still cannot be written is its health.
    }
  }

  override cursorOf(nodeId: string): Promise<string | undefined> {
    return this.#cursorOf((sql, values) => this.database.query(sql, values), nodeId);
  }

  override before(
    filter: AlertFilter,
    before: number | undefined,
    limit: number,
  ): Promise<readonly StoredAlert[]> {
    return this.#select(filter, ['id <', before ?? Number.MAX_SAFE_INTEGER], 'DESC', limit);
  }

  override after(
    filter: AlertFilter,
    after: number,
    limit: number,
  ): Promise<readonly StoredAlert[]> {
    return this.#select(filter, ['id >', after], 'ASC', limit);
  }

  override async byEventId(
    eventId: string,
    { node, nodeIds }: Pick<AlertFilter, 'node' | 'nodeIds'>,
  ): Promise<StoredAlert | undefined> {
    const sql =
      `SELECT id, body FROM hostward.${this.kind} WHERE event_id = $1 ` +
      'AND ($2::text IS NULL OR node = $2) AND ($3::text[] IS NULL OR node_id = ANY ($3)) ' +
      'ORDER BY id DESC LIMIT 1';
    const values = [storable(eventId), node ?? null, nodeIds ?? null];
    const { rows } = await this.readers.query(sql, values);
    return rows.map(toStored)[0];
  }

  override async id(): Promise<string> {
    const sql = 'SELECT left(id::text, 8) AS id FROM hostward.identity';
    return String((await this.readers.query(sql)).rows[0]?.['id']);
  }

  override async lastId(): Promise<number> {
    const sql = 'SELECT last FROM hostward.counters WHERE kind = $1';
    const { rows } = await this.readers.query(sql, [this.kind]);
    return Number(rows[0]?.['last']);
  }

  /** In one transaction, in its turn; whether it came through is the health from now on. */
  async #written<T>(write: (query: Query) => Promise<T>): Promise<T> {
    try {
      const outcome = await this.#mutex.run(() => this.database.transaction(write));
      this.#failure = undefined;
      return outcome;
    } catch (error) {
      if (error instanceof PostgresBadValue) throw new UnstorableBatch(error);
      // That it is away its own health says, until it is not.
      if (!(error instanceof PostgresUnavailable))
        this.#failure = error instanceof Error ? error.message : String(error);
      throw error;
    }
  }

  async #addAll(query: Query, nodeId: string, batch: AlertBatch): Promise<StoreOutcome> {
    const lock = 'SELECT last FROM hostward.counters WHERE kind = $1 FOR UPDATE';
    const counter = Number((await query(lock, [this.kind])).rows[0]?.['last']);
    // A signed status of its own, since what another replica stored is seen only after the lock was got.
    const known = await this.#cursorOf(query, nodeId);
    // Below the cursor it was stored once, and may have been pruned since.
    const fresh = batch.alerts.filter(
      ({ EventID }) => known === undefined || compareEventIds(EventID, known) > 0,
    );
    const stored = await this.#insert(query, nodeId, counter, fresh);
    const last = known !== undefined && compareEventIds(known, batch.last) > 0 ? known : batch.last;
    await query(
      `INSERT INTO hostward.${this.kind}_cursors VALUES ($1, $2) ` +
        'ON CONFLICT (node_id) DO UPDATE SET last = excluded.last',
      [nodeId, last],
    );
    return { stored, duplicates: batch.alerts.length - stored, last };
  }

  async #insert(
    query: Query,
    nodeId: string,
    counter: number,
    alerts: readonly Alert[],
  ): Promise<number> {
    if (alerts.length === 0) return 0;
    const { count } = await query(
      `INSERT INTO hostward.${this.kind} (id, node_id, event_id, node, policy, time_ms, body) ` +
        'SELECT $1 + n, $2, event_id, node, policy, time_ms, body ' +
        'FROM unnest($3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[]) ' +
        'WITH ORDINALITY AS fresh (event_id, node, policy, time_ms, body, n) ' +
        'ON CONFLICT (node_id, event_id) DO NOTHING',
      [
        counter,
        nodeId,
        alerts.map(({ EventID }) => EventID),
        alerts.map(({ Node }) => Node),
        alerts.map(({ PolicyName }) => storable(PolicyName)),
        alerts.map(alertTime),
        alerts.map((alert) => JSON.stringify(alert)),
      ],
    );
    const last = counter + alerts.length;
    await query('UPDATE hostward.counters SET last = $2 WHERE kind = $1', [this.kind, last]);
    await this.#prune(query, counter, last);
    return count;
  }

  /** By numbers alone, so that it does not hang on which replica stores. */
  async #prune(query: Query, from: number, to: number): Promise<void> {
    const every = Math.min(PRUNE_EVERY, this.kept);
    if (Math.floor(from / every) === Math.floor(to / every)) return;
    await query(`DELETE FROM hostward.${this.kind} WHERE id <= $1`, [to - this.kept]);
  }

  async #cursorOf(query: Query, nodeId: string): Promise<string | undefined> {
    const sql = `SELECT last FROM hostward.${this.kind}_cursors WHERE node_id = $1`;
    const last = (await query(sql, [nodeId])).rows[0]?.['last'];
    return typeof last === 'string' ? last : undefined;
  }

  async #select(
    { node, policy, sinceMs, nodeIds }: AlertFilter,
    range: readonly ['id <' | 'id >', number],
    order: 'ASC' | 'DESC',
    limit: number,
  ): Promise<readonly StoredAlert[]> {
    const tests: (readonly [string, unknown])[] = [
      range,
      ['node =', node],
      ['policy =', policy === undefined ? undefined : storable(policy)],
      ['time_ms >=', sinceMs],
    ];
    const used = tests.filter(([, value]) => value !== undefined);
    const conditions = used.map(([test], index) => `${test} $${index + 2}`);
    if (nodeIds) conditions.push(`node_id = ANY ($${used.length + 2}::text[])`);
    const sql =
      `SELECT id, body FROM hostward.${this.kind} WHERE ${conditions.join(' AND ')} ` +
      `ORDER BY id ${order} LIMIT $1`;
    const values = [limit, ...used.map(([, value]) => value), ...(nodeIds ? [nodeIds] : [])];
    return (await this.readers.query(sql, values)).rows.map(toStored);
  }
}

/** PostgreSQL keeps no NUL in a text; the body has it escaped. */
function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD');
}

function toStored(row: Row): StoredAlert {
  return { id: Number(row['id']), alert: JSON.parse(String(row['body'])) as Alert };
}
