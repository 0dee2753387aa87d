import { Module } from '@nestjs/common';
import { AuditLogController } from './audit-log.controller.js';

/** Who did what. */
@Module({ controllers: [AuditLogController] })
export class AuditLogModule {}
