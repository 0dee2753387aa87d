import { Global, Module, type DynamicModule } from '@nestjs/common';
import { NodeNews } from './node-news.js';
import { NodeStatusController } from './node-status.controller.js';
import { NodeViews } from './node.view.js';
import { NodeWatchController } from './node-watch.controller.js';
import { PolicyStatusController } from './policy-status.controller.js';
import { StatusReader } from './status-reader.js';
import { HeldHeads, SignedStatusSource } from '../store/held-heads.js';
import { CloneService } from './clone.service.js';
import { HostInbox } from './host-inbox.js';
import { HostSignedStatuses } from './host-signed-statuses.js';
import { KnownHosts } from './known-hosts.js';
import { ReportCache } from './report-cache.js';
import { RestoreWatch } from './restore-watch.js';
import { ReportIntake } from './report-intake.js';
import { SignedStatusController } from './signed-status.controller.js';

/** Step 9 of the path: what hosts say, and what status follows from it. */
@Global()
@Module({})
export class ReportsModule {
  static of(inbox: HostInbox): DynamicModule {
    return {
      module: ReportsModule,
      controllers: [
        SignedStatusController,
        NodeStatusController,
        PolicyStatusController,
        NodeWatchController,
      ],
      providers: [
        { provide: HostInbox, useValue: inbox },
        KnownHosts,
        HeldHeads,
        { provide: SignedStatusSource, useClass: HostSignedStatuses },
        CloneService,
        ReportCache,
        RestoreWatch,
        ReportIntake,
        StatusReader,
        NodeViews,
        NodeNews,
      ],
      exports: [
        CloneService,
        HeldHeads,
        HostInbox,
        KnownHosts,
        NodeNews,
        NodeViews,
        ReportCache,
        ReportIntake,
        RestoreWatch,
        StatusReader,
      ],
    };
  }
}
