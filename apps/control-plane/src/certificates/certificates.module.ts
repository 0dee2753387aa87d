import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Announcement } from './announcement.js';
import { AuthoritiesController } from './authorities.controller.js';
import { AuthoritiesService } from './authorities.service.js';
import { HostCertificateGuard } from './host-certificate.guard.js';
import { HostTrust } from './host-trust.js';

/** The CA: what is trusted, and how it is replaced while everything runs. */
@Module({
  controllers: [AuthoritiesController],
  providers: [
    AuthoritiesService,
    Announcement,
    HostTrust,
    { provide: APP_GUARD, useClass: HostCertificateGuard },
  ],
})
export class CertificatesModule {}
