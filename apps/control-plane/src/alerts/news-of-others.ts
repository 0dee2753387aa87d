import { Injectable } from '@nestjs/common';
import { Log } from '#observability';
import { AlertStore, TelemetryEventStore } from './alert.store.js';
import { AlertNews } from './alert-news.js';

/** Another replica may store into the same store: while somebody follows alerts it is looked at. */
@Injectable()
export class NewsOfOthers {
  #seen: string | undefined;
  #looking = false;

  constructor(
    private readonly alerts: AlertStore,
    private readonly telemetryEvents: TelemetryEventStore,
    private readonly news: AlertNews,
    private readonly log: Log,
  ) {}

  /** Called every second. Never rejects. */
  async look(): Promise<void> {
    if (this.#looking || !this.news.isAwaited) return;
    this.#looking = true;
    try {
      const last = await Promise.all([this.alerts.lastId(), this.telemetryEvents.lastId()]);
      const seen = last.join(' ');
      if (seen !== this.#seen) this.news.tell();
      this.#seen = seen;
    } catch (error) {
      this.log.debug('whether there are alerts of others cannot be said', { error });
    } finally {
      this.#looking = false;
    }
  }
}
