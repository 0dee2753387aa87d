import { Injectable } from '@nestjs/common';
import { Periodic } from '../health/periodic.decorator.js';
import { AlertStore, TelemetryEventStore } from './alert.store.js';
import { AlertNews } from './alert-news.js';

/** Another replica may store into the same store: while somebody follows alerts it is looked at. */
@Injectable()
export class NewsOfOthers {
  #seen: string | undefined;

  constructor(
    private readonly alerts: AlertStore,
    private readonly telemetryEvents: TelemetryEventStore,
    private readonly news: AlertNews,
  ) {}

  /** Tells those who wait of what is new in the store. Rejects where that is away. */
  @Periodic({ name: 'find-alerts-of-replicas', everyMs: 1_000 })
  async look(): Promise<void> {
    if (!this.news.isAwaited) return;
    const last = await Promise.all([this.alerts.lastId(), this.telemetryEvents.lastId()]);
    const seen = last.join(' ');
    if (seen !== this.#seen) this.news.tell();
    this.#seen = seen;
  }
}
