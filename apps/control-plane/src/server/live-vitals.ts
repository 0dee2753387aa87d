import { Injectable } from '@nestjs/common';
import { AlertStore, TelemetryEventStore } from '../alerts/alert.store.js';
import { Deliveries } from '../delivery/deliveries.js';
import { EtcdWrites } from '../health/etcd-writes.js';
import type { Vitals } from '../health/readiness.js';
import { VitalSigns } from '../health/vital-signs.js';
import { OneStore } from '../replicas/one-store.js';
import { EtcdLedger } from '../store/etcd-ledger.js';
import { Fleet } from '../store/fleet.js';
import { FleetWatch } from '../store/fleet-watch.js';
import { HeldHeads, auditLogAlarmWords } from '../store/held-heads.js';
import { redisHealth } from '../store/redis-shard.js';
import { AuthoredIndex } from '../trust/authored-index.js';
import { RestoreGuard, alarmWords } from '../trust/restore-guard.js';

/** Asks each part how it is. */
@Injectable()
export class LiveVitals extends VitalSigns {
  constructor(
    private readonly watch: FleetWatch,
    private readonly fleet: Fleet,
    private readonly deliveries: Deliveries,
    private readonly alerts: AlertStore,
    private readonly telemetryEvents: TelemetryEventStore,
    private readonly ledger: EtcdLedger,
    private readonly etcdWrites: EtcdWrites,
    private readonly oneStore: OneStore,
    private readonly heads: HeldHeads,
    private readonly restoreGuard: RestoreGuard,
    private readonly authored: AuthoredIndex,
  ) {
    super();
  }

  override read(): Vitals {
    const { state } = this.fleet;
    const alerts = this.alerts.health();
    const { alarm: rewritten } = this.heads;
    const { alarm: restored } = this.restoreGuard;
    return {
      watch: this.watch.health(),
      fleetRevision: state.revision,
      ...redisHealth(state, this.deliveries.health()),
      alerts: alerts.ok ? this.telemetryEvents.health() : alerts,
      auditLog: this.ledger.health(),
      etcdWrites: this.etcdWrites.health(),
      store: this.oneStore.health(),
      rewritten: rewritten && auditLogAlarmWords(rewritten),
      restored: restored && alarmWords(restored),
      waiting: this.deliveries.waiting,
      unreadable: [
        ...state.unreadable.keys(),
        ...this.authored.refusedKeys((nodeId) => state.nameOf(nodeId) !== undefined),
      ],
      nowMs: performance.now(),
    };
  }
}
