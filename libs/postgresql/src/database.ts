import { Pool, type PoolClient } from 'pg';
import {
  meansAnother,
  PostgresFailed,
  PostgresUnavailable,
  translateError,
  type Place,
  type PostgresError,
} from './errors.js';
import { migrate } from './migrate.js';
import type { Query, Row } from './query.js';

/** Where the database is and what is to be in it. */
export interface PostgresOptions extends Place {
  /** Asked at each new connection. */
  readonly password: () => string;
  /** PEM of the authority of its certificate, which must name the host; absent: no TLS. */
  readonly ca?: string;
  /** The schema `hostward`, step by step; what was released is never changed. */
  readonly migrations: readonly string[];
  /** At most, by default 10; who waits longer than 5 s for one gets an error. */
  readonly connections?: number;
  readonly statementTimeoutMs?: number;
}

const MAX_CONNECTIONS = 10;
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 10_000;
/** Over the server's own, which ends a statement that it still hears of. */
const MORE_MS = 2_000;
const PROBE_EVERY_MS = 2_000;
const CLOSE_WITHIN_MS = 2_000;

/**
 * One database over a bounded pool. Connects when it is first asked, examines and migrates it before that, and again
 * after a connection broke or something of the schema was not there; whoever asks meanwhile gets an error within seconds. Throws PostgresError.
 */
export class PostgresDatabase {
  readonly #pool: Pool;
  readonly #probe: NodeJS.Timeout;
  #prepared: Promise<void> | undefined;
  /** It was prepared once in the life of this process. */
  #wasHere = false;
  #failure: PostgresError | undefined;
  #probing = false;
  #closed: Promise<void> | undefined;

  constructor(private readonly options: PostgresOptions) {
    const { host, port, database, user, password, ca } = options;
    const { connections = MAX_CONNECTIONS, statementTimeoutMs = STATEMENT_TIMEOUT_MS } = options;
    this.#pool = new Pool({
      ...{ host, port, database, user, password },
      ssl: ca === undefined ? false : { ca, rejectUnauthorized: true, minVersion: 'TLSv1.2' },
      // What others put into schemas of theirs passes for nothing of ours.
      options: '-c search_path=pg_catalog',
      application_name: 'hostward',
      max: connections,
      keepAlive: true,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      statement_timeout: statementTimeoutMs,
      query_timeout: statementTimeoutMs + MORE_MS,
      // A replica that hangs in the middle holds up the others no longer than this.
      idle_in_transaction_session_timeout: statementTimeoutMs,
    });
    // Of a connection that nobody uses: the pool has taken it out, and the next probe tells what is wrong.
    this.#pool.on('error', () => this.#examineAnew());
    this.#probe = setInterval(() => void this.#look(), PROBE_EVERY_MS).unref();
    void this.#look();
  }

  /** Whether it answered when it was last asked, which is seconds ago at most. */
  health(): { readonly ok: boolean; readonly detail: string } {
    const { host, port, database } = this.options;
    const ok = this.#failure === undefined;
    return { ok, detail: this.#failure?.message ?? `PostgreSQL at ${host}:${port}/${database}` };
  }

  /** Runs one statement. */
  async query(...[sql, values]: Parameters<Query>): ReturnType<Query> {
    return this.#connected((query) => query(sql, values));
  }

  /** Runs `work` as one transaction, which is on the disk when this resolves; on any error nothing of it is. */
  async transaction<T>(work: (query: Query) => Promise<T>): Promise<T> {
    return this.#connected(async (query) => {
      await query('BEGIN');
      const result = await work(query);
      await query('COMMIT');
      return result;
    });
  }

  /** Ends all connections; again: waits for the same. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#probe);
    const late = Promise.withResolvers<void>();
    // A connection whose link hangs never says that it has ended.
    const timer = setTimeout(late.resolve, CLOSE_WITHIN_MS);
    await Promise.race([this.#pool.end(), late.promise]);
    clearTimeout(timer);
  }

  async #connected<T>(work: (query: Query) => Promise<T>): Promise<T> {
    try {
      this.#prepared ??= this.#prepare();
      await this.#prepared;
      const result = await this.#withClient(work);
      this.#failure = undefined;
      return result;
    } catch (error) {
      throw this.#note(error);
    }
  }

  #prepare(): Promise<void> {
    const { migrations, database } = this.options;
    const wasHere = this.#wasHere;
    return this.#withClient((query) => migrate(query, migrations, { database, wasHere })).then(
      () => void (this.#wasHere = true),
      (error: unknown) => {
        this.#prepared = undefined;
        throw error;
      },
    );
  }

  /** Who answers next may be another server, or have another schema: after a failover, or from a dump. */
  #examineAnew(): void {
    this.#prepared = undefined;
  }

  /** After an error the connection is ended, and with it what it had begun. */
  async #withClient<T>(work: (query: Query) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    // Told by the statement that fails too; nobody else listens while it is ours.
    const ignore = (): void => undefined;
    client.on('error', ignore);
    try {
      const result = await work(queryOn(client));
      client.release();
      return result;
    } catch (error) {
      client.release(true);
      const failure = translateError(error, this.options);
      if (failure instanceof PostgresUnavailable || meansAnother(error)) this.#examineAnew();
      throw failure;
    } finally {
      client.off('error', ignore);
    }
  }

  /** What a statement alone did wrong says nothing of the database. */
  #note(error: unknown): PostgresError {
    const translated = translateError(error, this.options);
    if (!(translated instanceof PostgresFailed)) this.#failure = translated;
    return translated;
  }

  async #look(): Promise<void> {
    if (this.#probing) return;
    this.#probing = true;
    try {
      await this.query('SELECT 1');
    } catch {
      // Noted.
    } finally {
      this.#probing = false;
    }
  }
}

function queryOn(client: PoolClient): Query {
  return async (sql, values = []) => {
    const { rowCount, rows } = await client.query<Row>(sql, [...values]);
    return { count: rowCount ?? 0, rows };
  };
}
