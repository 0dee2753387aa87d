import type { SensorEvent } from '#sensor';
import { alertOf, type AlertSource } from './alert-of.js';
import type { NewAlert } from './spool.js';

/** Telemetry events that wait in memory; beyond that the oldest are dropped and counted. */
const WAITING = 4_096;

/** What was only watched, until it is sent: in memory. */
export class TelemetryEvents {
  readonly #waiting: NewAlert[] = [];
  #lost = 0;

  constructor(
    private readonly source: AlertSource,
    private readonly most = WAITING,
  ) {}

  /** Those that were dropped, or sent and not acknowledged, since the agent started. */
  get lost(): number {
    return this.#lost;
  }

  add(event: SensorEvent): void {
    const alert = alertOf(event, undefined, this.source, event.suppressed ?? 0);
    if (alert === undefined) return;
    if (this.#waiting.length === this.most) this.#lost += this.#waiting.splice(0, 1).length;
    this.#waiting.push(alert);
  }

  /** Takes the oldest out, in order: at most `count`, and not much more than `bytes` as JSON. */
  take(count: number, bytes: number): readonly NewAlert[] {
    let size = 0;
    const end = this.#waiting.findIndex(
      (each, at) => at === count || (size += Buffer.byteLength(JSON.stringify(each))) > bytes,
    );
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : Math.max(1, end));
  }

  /** What was taken and did not arrive. */
  miss(count: number): void {
    this.#lost += count;
  }
}
