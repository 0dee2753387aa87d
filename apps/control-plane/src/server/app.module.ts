import { Module, type DynamicModule } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { AccessModule } from '../access/access.module.js';
import { Authorities } from '../certificates/authorities.js';
import { CertificatesModule } from '../certificates/certificates.module.js';
import { DeliveryModule, type DeliveryChannels } from '../delivery/delivery.module.js';
import { DiagnosisModule, type DiagnosisParts } from '../diagnosis/diagnosis.module.js';
import type { AlertStore, TelemetryEventStore } from '../alerts/alert.store.js';
import { AlertsModule } from '../alerts/alerts.module.js';
import { Clock } from '../http/clock.js';
import { GroupsModule } from '../policies/groups.module.js';
import { HealthModule } from './health.module.js';
import { AuditLogModule } from '../store/audit-log.module.js';
import { NodesModule } from '../nodes/nodes.module.js';
import { OnboardingModule } from '../nodes/onboarding.module.js';
import { PoliciesModule } from '../policies/policies.module.js';
import type { HostInbox } from '../reports/host-inbox.js';
import type { OneStore } from '../replicas/one-store.js';
import { RedirectsModule } from '../redirects/redirects.module.js';
import { ReportsModule } from '../reports/reports.module.js';
import { CoreModule, type CoreParts } from './core.module.js';
import { SuspensionsModule } from '../suspensions/suspensions.module.js';
import { TrustModule } from '../trust/trust.module.js';
import { FleetFollower } from './fleet-follower.js';
import { HostListener } from './host-listener.js';
import type { HttpOptions } from './http-adapter.js';
import { TlsContext } from './tls-context.js';

/** Everything the control plane is made of. */
export interface AppParts extends CoreParts {
  readonly channels: DeliveryChannels;
  readonly inbox: HostInbox;
  readonly alerts: AlertStore;
  readonly telemetryEvents: TelemetryEventStore;
  readonly oneStore: OneStore;
  readonly diagnosis: DiagnosisParts;
  /** Folder of the packages that hosts may fetch; absent: there is none. */
  readonly packagesDir?: string;
  readonly tls: HttpOptions['tls'];
}

/** The control plane, in the order of a policy's path. */
@Module({})
export class AppModule {
  static of(parts: AppParts): DynamicModule {
    return {
      module: AppModule,
      imports: [
        CoreModule.of(parts),
        AccessModule,
        TrustModule,
        PoliciesModule,
        GroupsModule,
        NodesModule,
        OnboardingModule.of(parts.packagesDir),
        CertificatesModule,
        DeliveryModule.of(parts.channels),
        ReportsModule.of(parts.inbox),
        AlertsModule.of(parts.alerts, parts.telemetryEvents),
        SuspensionsModule,
        RedirectsModule,
        AuditLogModule,
        HealthModule.of(parts.oneStore),
        DiagnosisModule.of(parts.diagnosis),
      ],
      providers: [
        FleetFollower,
        HostListener,
        {
          provide: TlsContext,
          inject: [HttpAdapterHost, Authorities, Clock],
          useFactory: (adapters: HttpAdapterHost, authorities: Authorities, clock: Clock) =>
            new TlsContext(adapters, authorities, clock, parts.tls),
        },
      ],
    };
  }
}
