import { Global, Module, type DynamicModule } from '@nestjs/common';
import { EtcdWrites } from '../health/etcd-writes.js';
import { VitalSigns } from '../health/vital-signs.js';
import { OneStore } from '../replicas/one-store.js';
import { HealthController } from './health.controller.js';
import { LiveVitals } from './live-vitals.js';

/** Whether it is alive and well. */
@Global()
@Module({})
export class HealthModule {
  static of(oneStore: OneStore): DynamicModule {
    return {
      module: HealthModule,
      controllers: [HealthController],
      providers: [
        EtcdWrites,
        { provide: OneStore, useValue: oneStore },
        { provide: VitalSigns, useClass: LiveVitals },
      ],
      exports: [VitalSigns],
    };
  }
}
