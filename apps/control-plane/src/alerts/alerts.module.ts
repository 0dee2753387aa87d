import { Global, Module, type DynamicModule } from '@nestjs/common';
import { Fleet } from '../store/fleet.js';
import { AlertNews } from './alert-news.js';
import { NewsOfOthers } from './news-of-others.js';
import { StoreRecovery } from './store-recovery.js';
import { AlertController } from './alert.controller.js';
import { AlertStore, TelemetryEventStore } from './alert.store.js';
import { EventIntake } from './event-intake.js';
import { EventQueue } from './event-queue.js';
import { ScopedAlertStore } from './scoped-alert.store.js';

/** Step 10 of the path: alerts, stored and streamed. */
@Global()
@Module({})
export class AlertsModule {
  static of(alerts: AlertStore, telemetryEvents: TelemetryEventStore): DynamicModule {
    const scoped = (provide: typeof AlertStore, store: AlertStore) => ({
      provide,
      inject: [Fleet],
      useFactory: (fleet: Fleet) => new ScopedAlertStore(store, fleet),
    });
    return {
      module: AlertsModule,
      controllers: [AlertController],
      providers: [
        scoped(AlertStore, alerts),
        scoped(TelemetryEventStore, telemetryEvents),
        AlertNews,
        NewsOfOthers,
        EventIntake,
        EventQueue,
        StoreRecovery,
      ],
      exports: [AlertStore, EventQueue, TelemetryEventStore],
    };
  }
}
