import { Global, Module, type DynamicModule } from '@nestjs/common';
import { HealthController } from './health.controller.js';
import { VitalSigns } from '../health/vital-signs.js';

/** Whether it is alive and well. */
@Global()
@Module({})
export class HealthModule {
  static of(vitals: VitalSigns): DynamicModule {
    return {
      module: HealthModule,
      controllers: [HealthController],
      providers: [{ provide: VitalSigns, useValue: vitals }],
      exports: [VitalSigns],
    };
  }
}
