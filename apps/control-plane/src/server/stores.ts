import { join } from 'node:path';
import { PostgresDatabase, type PostgresOptions } from '#postgresql';
import type { ServerConfig } from '../config/index.js';
import type { Material } from '../config/material.js';
import {
  KEPT_ALERTS,
  KEPT_OBSERVATIONS,
  type AlertStore,
  type ObservationStore,
} from '../alerts/alert.store.js';
import { PostgresAlertStore } from '../alerts/postgres-alert.store.js';
import { SqliteAlertStore } from '../alerts/sqlite-alert.store.js';
import type { JournalStore } from '../store/journal.store.js';
import { PostgresJournalStore } from '../store/postgres-journal.store.js';
import { SqliteJournalStore } from '../store/sqlite-journal.store.js';
import { MIGRATIONS } from './migrations.js';

/** Connections of one control plane, ten in all: for the journal and what comes of hosts, and for readers of alerts. */
const [WRITING, READING] = [4, 6];

/** Where alerts and journal are kept. */
export interface Stores {
  readonly alerts: AlertStore;
  readonly observations: ObservationStore;
  readonly journal: JournalStore;
  /** What tells this PostgreSQL from others, and goes with its dumps; absent where they lie in files. */
  readonly databaseId?: () => Promise<string>;
  readonly close: () => Promise<void>;
}

/** Opens those of the configuration; a PostgreSQL may be away, and readiness then says so. */
export function openStores({ dataDir, store }: ServerConfig, { postgres }: Material): Stores {
  if (!store.postgresql || !postgres) return openFiles(dataDir);
  return inPostgres({ ...store.postgresql, ...postgres, migrations: MIGRATIONS });
}

/** An alert has every stream of alerts read at once: the journal, without which nothing is written, waits for none. */
function inPostgres(options: PostgresOptions): Stores {
  const database = new PostgresDatabase({ ...options, connections: WRITING });
  const readers = new PostgresDatabase({ ...options, connections: READING });
  return {
    alerts: new PostgresAlertStore(database, 'alerts', KEPT_ALERTS, readers),
    observations: new PostgresAlertStore(database, 'observations', KEPT_OBSERVATIONS, readers),
    journal: new PostgresJournalStore(database),
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
  const observations = new SqliteAlertStore(join(dataDir, 'observations.db'), KEPT_OBSERVATIONS);
  const journal = new SqliteJournalStore(join(dataDir, 'journal.db'));
  return {
    ...{ alerts, observations, journal },
    close: () =>
      Promise.try(() => {
        for (const store of [alerts, observations, journal]) store.close();
      }),
  };
}
