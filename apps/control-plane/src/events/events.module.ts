import { Module, type DynamicModule } from '@nestjs/common';
import { Fleet } from '../fleet/fleet.js';
import { AlertNews } from '../sinks/alert-news.js';
import { AlertController } from './alert.controller.js';
import { AlertStore } from './alert.store.js';
import { EventIntake } from './event-intake.js';
import { ScopedAlertStore } from './scoped-alert.store.js';

/** Step 10 of the path: alerts, stored and streamed. */
@Module({})
export class EventsModule {
  static of(store: AlertStore): DynamicModule {
    return {
      module: EventsModule,
      controllers: [AlertController],
      providers: [
        {
          provide: AlertStore,
          inject: [Fleet],
          useFactory: (fleet: Fleet) => new ScopedAlertStore(store, fleet),
        },
        AlertNews,
        EventIntake,
      ],
      exports: [EventIntake],
    };
  }
}
