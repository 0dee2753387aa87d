import { SystemClock } from '../http/clock.js';
import { Deliveries } from '../delivery/deliveries.js';
import type { Fleet } from '../store/fleet.js';
import { ReportCache } from '../reports/report-cache.js';
import { StatusReader } from '../reports/status-reader.js';

/** A reader of a fleet that has delivered nothing and heard of no host, and is well. */
export function statusReader(fleet: Fleet): StatusReader {
  const well = { ok: true, detail: '' };
  const watch = { connected: true, lastProgressAt: 0, revision: 1n, reconnects: 0, snapshots: 1 };
  const vitals = {
    read: () => ({
      ...{ watch, redis: well, alerts: well, auditLog: well, etcdWrites: well, store: well },
      ...{ fleetRevision: 1n, waiting: 0, unreadable: [], nowMs: 0 },
    }),
  };
  const deliveries = new Deliveries([], () => undefined);
  return new StatusReader(fleet, deliveries, new ReportCache(), new SystemClock(), vitals);
}
