import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { PostgresDatabase } from '#postgresql';
import { startPostgres, type PostgresServer } from '#testing';
import type { AlertStore } from '../alerts/alert.store.js';
import { PostgresAlertStore } from '../alerts/postgres-alert.store.js';
import { SqliteAlertStore } from '../alerts/sqlite-alert.store.js';
import type { AuditLogStore } from '../store/audit-log.store.js';
import { PostgresAuditLogStore } from '../store/postgres-audit-log.store.js';
import { SqliteAuditLogStore } from '../store/sqlite-audit-log.store.js';
import { MIGRATIONS } from '../server/migrations.js';

/** Where stores lie, for tests that are the same on both kinds. */
export abstract class StorePlace {
  abstract readonly name: string;
  /** Table of the audit log, for `sql`. */
  abstract readonly auditLogTable: string;

  /** Once before all tests. */
  abstract start(): Promise<void>;
  /** Before each test: nothing is stored. */
  abstract empty(): Promise<void>;
  /** Opened as another process opens it. */
  abstract alerts(kept?: number): AlertStore;
  abstract auditLog(): AuditLogStore;
  /** By somebody who owns the disk. */
  abstract sql(text: string): void;
  /** After each test: closes what was opened. */
  abstract close(): Promise<void>;
  /** Once after all tests. */
  abstract stop(): Promise<void>;
}

/** SQLite files in a temporary folder. */
export class SqlitePlace extends StorePlace {
  override readonly name = 'SQLite';
  override readonly auditLogTable = 'entries';
  folder = '';
  #opened: { close(): void }[] = [];

  override start(): Promise<void> {
    return Promise.resolve();
  }

  override empty(): Promise<void> {
    this.folder = mkdtempSync(join(tmpdir(), 'hw-store-'));
    return Promise.resolve();
  }

  override alerts(kept = 1_000): SqliteAlertStore {
    return this.#open(new SqliteAlertStore(join(this.folder, 'alerts.db'), kept));
  }

  override auditLog(file = 'audit-log.db'): SqliteAuditLogStore {
    return this.#open(new SqliteAuditLogStore(join(this.folder, file)));
  }

  override sql(text: string): void {
    const db = new DatabaseSync(join(this.folder, 'audit-log.db'));
    db.exec(text);
    db.close();
  }

  override close(): Promise<void> {
    for (const each of this.#opened.splice(0)) each.close();
    rmSync(this.folder, { recursive: true, force: true });
    return Promise.resolve();
  }

  override stop(): Promise<void> {
    return Promise.resolve();
  }

  #open<T extends { close(): void }>(store: T): T {
    this.#opened.push(store);
    return store;
  }
}

/** A real PostgreSQL; each store that is opened has connections of its own, as a replica has. */
export class PostgresPlace extends StorePlace {
  override readonly name = 'PostgreSQL';
  override readonly auditLogTable = 'hostward.audit_log';
  #server: PostgresServer | undefined;
  #opened: PostgresDatabase[] = [];

  get server(): PostgresServer {
    if (this.#server) return this.#server;
    throw new Error('not started');
  }

  override async start(): Promise<void> {
    this.#server = await startPostgres();
  }

  override async empty(): Promise<void> {
    this.sql('DROP SCHEMA IF EXISTS hostward CASCADE');
    await this.database().query('SELECT 1');
  }

  override alerts(kept = 1_000, database = this.database()): PostgresAlertStore {
    return new PostgresAlertStore(database, 'alerts', kept);
  }

  override auditLog(): PostgresAuditLogStore {
    return new PostgresAuditLogStore(this.database());
  }

  override sql(text: string): void {
    this.server.sql(text);
  }

  override async close(): Promise<void> {
    await Promise.all(this.#opened.splice(0).map((database) => database.close()));
  }

  override async stop(): Promise<void> {
    await this.#server?.stop();
  }

  database(make: new (options: Options) => PostgresDatabase = PostgresDatabase): PostgresDatabase {
    const { port, password } = this.server;
    const login = { user: 'hostward', password: () => password };
    const place = { host: '127.0.0.1', port, database: 'hostward' };
    const database = new make({ ...place, ...login, migrations: MIGRATIONS });
    this.#opened.push(database);
    return database;
  }
}

type Options = ConstructorParameters<typeof PostgresDatabase>[0];
