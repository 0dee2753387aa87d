import { compareEventIds, formatEventId, latest, startOf, type EventId } from './event-id.js';

/** The ids that a spool gives out, and which runs it knows of. */
export class EventSeries {
  private constructor(
    private next: EventId,
    private readonly starts: Set<number>,
  ) {}

  static from(startMs: number): EventSeries {
    return new EventSeries({ start: startMs, sequence: 1 }, new Set([startMs]));
  }

  copy(): EventSeries {
    return new EventSeries(this.next, new Set(this.starts));
  }

  /** The id that is given out next. */
  get first(): string {
    return formatEventId(this.next);
  }

  take(): string {
    const id = this.first;
    this.next = { ...this.next, sequence: this.next.sequence + 1 };
    return id;
  }

  /** Ids grow, whatever the clock does. */
  goOnAfter(ids: readonly string[]): void {
    const start = startOf(latest(ids)) + 1;
    if (start > this.next.start) this.next = { start, sequence: 1 };
    this.starts.add(this.next.start);
  }

  know(ids: readonly string[]): void {
    for (const id of ids) this.starts.add(startOf(id));
  }

  /** Ids that it knows mean later ones from now on. */
  shift(byMs: number): void {
    for (const start of [...this.starts]) this.starts.add(start + byMs);
  }

  /** Whether an id is beyond what was ever given out, or of a run that it does not know. */
  isForeign(id: string): boolean {
    return compareEventIds(id, this.first) >= 0 || !this.starts.has(startOf(id));
  }
}
