import { Injectable } from '@nestjs/common';
import { Periodic } from '../health/periodic.decorator.js';
import { AlertStore, TelemetryEventStore } from './alert.store.js';

/** Tries stores that could not be written: else nobody would know of new room before the next alert comes. */
@Injectable()
export class StoreRecovery {
  constructor(
    private readonly alerts: AlertStore,
    private readonly telemetryEvents: TelemetryEventStore,
  ) {}

  @Periodic({ name: 'retry-alert-stores', everyMs: 1_000 })
  async retry(): Promise<void> {
    await Promise.all([this.alerts.retry(), this.telemetryEvents.retry()]);
  }
}
