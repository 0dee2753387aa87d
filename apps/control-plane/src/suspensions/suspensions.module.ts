import { Module } from '@nestjs/common';
import { PoliciesModule } from '../policies/policies.module.js';
import { Endings } from './endings.js';
import { SuspensionController } from './suspension.controller.js';
import { SuspensionService } from './suspension.service.js';

/** Break-glass, and the end of everything that has an end. */
@Module({
  imports: [PoliciesModule],
  controllers: [SuspensionController],
  providers: [SuspensionService, Endings],
})
export class SuspensionsModule {}
