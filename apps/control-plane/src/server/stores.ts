import { join } from 'node:path';
import { PostgresDatabase, type PostgresOptions } from '#postgresql';
import type { ServerConfig } from '../config/index.js';
import type { Material } from '../config/material.js';
import {
  KEPT_ALERTS,
  KEPT_TELEMETRY_EVENTS,
  type AlertStore,
  type TelemetryEventStore,
} from '../alerts/alert.store.js';
import { PostgresAlertStore } from '../alerts/postgres-alert.store.js';
import { SqliteAlertStore } from '../alerts/sqlite-alert.store.js';
import type { AuditLogStore } from '../store/audit-log.store.js';
import { PostgresAuditLogStore } from '../store/postgres-audit-log.store.js';
import { SqliteAuditLogStore } from '../store/sqlite-audit-log.store.js';
import { MIGRATIONS } from './migrations.js';

/** Connections of one control plane, ten in all: for the audit log and what comes of hosts, and for readers of alerts. */
const [WRITING, READING] = [4, 6];

/** Where alerts and audit log are kept. */
export interface Stores {
  readonly alerts: AlertStore;
  readonly telemetryEvents: TelemetryEventStore;
  readonly auditLog: AuditLogStore;
  /** What tells this PostgreSQL from others, and goes with its dumps; absent where they lie in files. */
  readonly databaseId?: () => Promise<string>;
  readonly close: () => Promise<void>;
}

/** Opens those of the configuration; a PostgreSQL may be away, and readiness then says so. */
export function openStores({ dataDir, store }: ServerConfig, { postgres }: Material): Stores {
  if (!store.postgresql || !postgres) return openFiles(dataDir);
  return inPostgres({ ...store.postgresql, ...postgres, migrations: MIGRATIONS });
}

/** An alert has every stream of alerts read at once: the audit log, without which nothing is written, waits for none. */
function inPostgres(options: PostgresOptions): Stores {
  const database = new PostgresDatabase({ ...options, connections: WRITING });
  const readers = new PostgresDatabase({ ...options, connections: READING });
  return {
    alerts: new PostgresAlertStore(database, 'alerts', KEPT_ALERTS, readers),
    telemetryEvents: new PostgresAlertStore(
      database,
      'telemetry_events',
      KEPT_TELEMETRY_EVENTS,
      readers,
    ),
    auditLog: new PostgresAuditLogStore(database),
    databaseId: async () => {
      const { rows } = await database.query('SELECT id FROM hostward.identity');
      return String(rows[0]?.['id']);
    },
    close: async () => {
      await Promise.all([database.close(), readers.close()]);
    },
  };
}

/** Those of a data directory. */
export function openFiles(dataDir: string): Stores {
  const alerts = new SqliteAlertStore(join(dataDir, 'alerts.db'), KEPT_ALERTS);
  const telemetryEvents = new SqliteAlertStore(
    join(dataDir, 'telemetry-events.db'),
    KEPT_TELEMETRY_EVENTS,
  );
  const auditLog = new SqliteAuditLogStore(join(dataDir, 'audit-log.db'));
  return {
    ...{ alerts, telemetryEvents, auditLog },
    close: () =>
      Promise.try(() => {
        for (const store of [alerts, telemetryEvents, auditLog]) store.close();
      }),
  };
}
