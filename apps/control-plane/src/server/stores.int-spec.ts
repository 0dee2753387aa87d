import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PostgresDatabase } from '#postgresql';
import { startPostgres, type PostgresServer } from '#testing';
import type { ServerConfig } from '../config/index.js';
import type { Material } from '../config/material.js';
import { eventually } from '../testing/eventually.js';
import { MIGRATIONS } from './migrations.js';
import { openStores, type Stores } from './stores.js';

let server: PostgresServer;
let stores: Stores;
let other: PostgresDatabase;
beforeAll(async () => {
  server = await startPostgres();
  const place = { host: '127.0.0.1', port: server.port, database: 'hostward', user: 'hostward' };
  const postgres = { password: () => server.password };
  // No more of either is read.
  stores = openStores(
    { dataDir: '', store: { postgresql: place } } as unknown as ServerConfig,
    { postgres } as Material,
  );
  other = new PostgresDatabase({
    ...{ ...place, ...postgres, migrations: MIGRATIONS },
    statementTimeoutMs: 60_000,
  });
});
afterAll(async () => {
  await Promise.all([stores.close(), other.close()]);
  await server.stop();
});

describe('stores in PostgreSQL', () => {
  it('have a connection for the audit log, and for what comes of hosts, however many read alerts', async () => {
    expect(await stores.alerts.after({}, 0, 1)).toEqual([]);
    const [locked, read] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const held = other.transaction(async (query) => {
      await query('LOCK TABLE hostward.alerts IN ACCESS EXCLUSIVE MODE');
      locked.resolve();
      await read.promise;
    });
    await locked.promise;
    const readers = Array.from({ length: 30 }, () => stores.alerts.after({}, 0, 1));
    const ended = Promise.allSettled(readers);
    await eventually('as many wait as may read', async () => {
      const { rows } = await other.query('SELECT count(*) FROM pg_locks WHERE NOT granted');
      return Number(rows[0]?.['count']) >= 6;
    });
    expect(await stores.auditLog.newest(1)).toEqual([]);
    expect(await stores.telemetryEvents.cursorOf('a')).toBeUndefined();
    read.resolve();
    await Promise.all([held, ended]);
  });
});
