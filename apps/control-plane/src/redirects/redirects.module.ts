import { Module } from '@nestjs/common';
import { HostSide } from './host-side.js';
import { RedirectController } from './redirect.controller.js';
import { RedirectService } from './redirect.service.js';
import { RedirectViews } from './redirect-views.js';

/** Hosts that follow a control plane which moved. */
@Module({
  controllers: [RedirectController],
  providers: [RedirectService, HostSide, RedirectViews],
})
export class RedirectsModule {}
