import { Global, Module, type DynamicModule, type Provider } from '@nestjs/common';
import { APP_FILTER, APP_PIPE, DiscoveryModule } from '@nestjs/core';
import { EtcdStore } from '#etcd';
import { Log } from '#observability';
import { AdminToken } from '../access/admin-token.js';
import { OidcSettings } from '../access/oidc.settings.js';
import { Authorities } from '../certificates/authorities.js';
import { HostHints } from '../certificates/host-hints.js';
import { OwnCertificates } from '../certificates/own-certificates.js';
import { Clock } from '../http/clock.js';
import { AgentEndpoints } from '../config/agent-endpoints.js';
import { Trust } from '../config/trust.js';
import { Replicas } from '../replicas/replicas.js';
import { CatchUp } from '../store/catch-up.js';
import { EtcdSweep } from '../store/etcd-sweep.js';
import { Fleet } from '../store/fleet.js';
import { FleetMetrics } from '../store/fleet-metrics.js';
import { FleetWatch } from '../store/fleet-watch.js';
import { FleetEditor } from '../store/fleet-editor.js';
import { HostUsers } from '../nodes/host-users.js';
import { Metrics } from '../health/metrics.js';
import { PeriodicTasks } from '../health/periodic-tasks.js';
import { ReportPace, enrolledOf } from '../delivery/report-pace.js';
import { RestoreGuard } from '../trust/restore-guard.js';
import { EtcdLedger } from '../store/etcd-ledger.js';
import { HeadChannel, HeadHerald } from '../delivery/head-herald.js';
import { AuditLogStore } from '../store/audit-log.store.js';
import { Ledger } from '../store/ledger.js';
import { SignedAuditLog } from '../store/signed-audit-log.js';
import { BodyPipe, ProblemFilter, strictValidation } from '../http/index.js';

/** What is made before Nest is: from the configuration, or by a test. */
export interface CoreParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly trust: Trust;
  readonly authorities: Authorities;
  readonly ownCertificates: OwnCertificates;
  readonly hostHints: HostHints;
  readonly restoreGuard: RestoreGuard;
  readonly adminToken: AdminToken;
  readonly oidc: OidcSettings;
  readonly agentEndpoints: AgentEndpoints;
  readonly etcd: EtcdStore;
  readonly replicas: Replicas;
  readonly auditLog: AuditLogStore;
  readonly heads: HeadChannel;
  readonly hostUsers: HostUsers;
}

/** What every folder may ask for: time, log, trust, the fleet and the way to change it. */
@Global()
@Module({})
export class CoreModule {
  static of(parts: CoreParts): DynamicModule {
    const auditLog = new SignedAuditLog(parts.auditLog, parts.trust.online, parts.clock);
    const ledger = new EtcdLedger(parts.etcd, auditLog, parts.clock, parts.log);
    const fleet = new Fleet(parts.trust.keks);
    const pace = new ReportPace(() => enrolledOf(fleet.state), parts.trust.online, parts.clock);
    const herald = new HeadHerald(auditLog, parts.heads, pace, parts.clock);
    const shared: Provider[] = [
      { provide: Clock, useValue: parts.clock },
      { provide: Log, useValue: parts.log },
      { provide: Metrics, useValue: parts.metrics },
      { provide: Trust, useValue: parts.trust },
      { provide: Authorities, useValue: parts.authorities },
      { provide: OwnCertificates, useValue: parts.ownCertificates },
      { provide: HostHints, useValue: parts.hostHints },
      { provide: RestoreGuard, useValue: parts.restoreGuard },
      { provide: AdminToken, useValue: parts.adminToken },
      { provide: OidcSettings, useValue: parts.oidc },
      { provide: AgentEndpoints, useValue: parts.agentEndpoints },
      { provide: EtcdStore, useValue: parts.etcd },
      { provide: Fleet, useValue: fleet },
      FleetWatch,
      { provide: HostUsers, useValue: parts.hostUsers },
      { provide: Replicas, useValue: parts.replicas },
      { provide: CatchUp, useValue: new CatchUp(parts.etcd, fleet) },
      { provide: SignedAuditLog, useValue: auditLog },
      { provide: EtcdLedger, useValue: ledger },
      { provide: Ledger, useExisting: EtcdLedger },
      { provide: HeadHerald, useValue: herald },
      FleetEditor,
    ];
    const gates: Provider[] = [
      { provide: APP_PIPE, useClass: BodyPipe },
      { provide: APP_PIPE, useFactory: strictValidation },
      { provide: APP_FILTER, useClass: ProblemFilter },
    ];
    const tasks: Provider[] = [PeriodicTasks, FleetMetrics, EtcdSweep];
    return {
      module: CoreModule,
      imports: [DiscoveryModule],
      providers: [...shared, ...gates, ...tasks],
      exports: shared,
    };
  }
}
