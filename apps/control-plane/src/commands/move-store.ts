import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { SignedDocument } from '#bundle';
import type { Alert, AlertBatch } from '#contracts';
import { ConfigError } from '../config/index.js';
import { loadMaterial } from '../config/material.js';
import { readConfig } from '../config/read-config.js';
import type { AlertStore } from '../alerts/alert.store.js';
import type { AuditLogStore } from '../store/audit-log.store.js';
import { openFiles, openStores, type Stores } from '../server/stores.js';

const AT_ONCE = 500;

/**
 * What `move-store` answers on standard output, as one JSON object: how much was not there yet. `left` is not there now
 * either: of the same host later ones were stored before, and below those nothing is taken.
 */
export interface MoveAnswer {
  readonly auditLog: number;
  readonly alerts: number;
  readonly telemetryEvents: number;
  readonly left: { readonly alerts: number; readonly telemetryEvents: number };
}

interface Moved {
  readonly moved: number;
  readonly left: number;
}

/**
 * Copies audit log and alerts from the files of the data directory into the PostgreSQL of the configuration, while the
 * control plane is stopped. What is there already is left, so that it may be run again. Throws ConfigError where there
 * is nothing to move, or to move to, and where the database has the audit log of another fleet.
 */
export async function moveStore(file: string): Promise<MoveAnswer> {
  const config = readConfig(file);
  if (!config.store.postgresql)
    throw new ConfigError('store.postgresql', 'missing', 'must say where to move to');
  if (!existsSync(join(config.dataDir, 'audit-log.db')))
    throw new ConfigError(
      'dataDir',
      config.dataDir,
      'must have the audit-log.db that is to be moved',
    );
  const [from, to] = [openFiles(config.dataDir), openStores(config, loadMaterial(config))];
  try {
    return await moveAll(from, to);
  } finally {
    await Promise.all([from.close(), to.close()]);
  }
}

/** The audit log first: where it does not fit nothing is moved. */
async function moveAll(from: Stores, to: Stores): Promise<MoveAnswer> {
  const auditLog = await moveAuditLog(from.auditLog, to.auditLog);
  const alerts = await moveAlerts(from.alerts, to.alerts);
  const telemetryEvents = await moveAlerts(from.telemetryEvents, to.telemetryEvents);
  const left = { alerts: alerts.left, telemetryEvents: telemetryEvents.left };
  return { auditLog, alerts: alerts.moved, telemetryEvents: telemetryEvents.moved, left };
}

/** With the heads that were signed, as they are; what cannot be read stays a gap. */
async function moveAuditLog(from: AuditLogStore, to: AuditLogStore): Promise<number> {
  let moved = 0;
  const [newest] = await from.newest(1);
  for (let seq = 1; seq <= (newest?.entry.seq ?? 0); seq += 1) {
    const found = await from.get(seq);
    if (!found) continue;
    const outcome = await to.add(found.entry, found.head as SignedDocument);
    if (outcome === 'differs')
      throw new ConfigError(
        'store.postgresql',
        `a database with another entry ${seq}`,
        'must be empty',
      );
    if (outcome === 'added') moved += 1;
  }
  return moved;
}

/** In their order, so that who looks at the newest sees what they saw: a batch for each run of alerts of one host. */
async function moveAlerts(from: AlertStore, to: AlertStore): Promise<Moved> {
  let [moved, left] = [0, 0];
  for (let after = 0; ;) {
    const found = await from.after({}, after, AT_ONCE);
    for (let rest = found; rest[0];) {
      const { NodeID } = rest[0].alert;
      const end = rest.findIndex(({ alert }) => alert.NodeID !== NodeID);
      const run = (end === -1 ? rest : rest.slice(0, end)).map(({ alert }) => alert);
      const { stored, duplicates } = await to.add(NodeID, batchOf(run));
      moved += stored;
      if (duplicates > 0) left += await countMissing(to, run);
      rest = rest.slice(run.length);
    }
    if (found.length < AT_ONCE) return { moved, left };
    after = found.at(-1)?.id ?? after;
  }
}

async function countMissing(store: AlertStore, alerts: readonly Alert[]): Promise<number> {
  let missing = 0;
  for (const { EventID, NodeID } of alerts)
    if (!(await store.byEventId(EventID, { nodeIds: [NodeID] }))) missing += 1;
  return missing;
}

function batchOf(alerts: readonly Alert[]): AlertBatch {
  const [first, last] = [alerts[0]?.EventID ?? '', alerts.at(-1)?.EventID ?? ''];
  return { v: 1, run: { bootedAt: new Date(0).toISOString(), sequence: 0 }, first, last, alerts };
}
