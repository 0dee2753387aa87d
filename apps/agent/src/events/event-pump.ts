import { Sensor, SensorUnavailableError, type SensorEvent } from '#sensor';
import type { CompileReport, RuleReference } from '#policy-compiler';
import { backoff } from '../health/clock.js';
import { Context } from '../health/context.js';
import { alertOf, processOf, ruleOf, type AlertSource } from './alert-of.js';
import { TelemetryEvents } from './telemetry-events.js';
import { Spool, type NewEntry } from './spool.js';
import { StackedTwins } from './stacked-twins.js';
import { Throttle } from './throttle.js';

const BATCH = 256;
const BATCH_MS = 50;
const FLUSH_MS = 1_000;
/** Where nothing is denied, a disk that took nothing is tried as often. */
const RETRY_MS = 10_000;

interface Attributed {
  readonly event: SensorEvent;
  readonly rule: RuleReference | undefined;
}

/** Where the pump takes events from and what it needs to name the rule behind one. */
export interface EventSource {
  readonly sensor: Sensor;
  /** Rule sets in which to look: in force, then the one before it. */
  readonly reports: () => readonly CompileReport[];
  readonly source: AlertSource;
  /** The stream of events ended by this error. */
  readonly onAway: (cause: unknown) => void;
}

/**
 * From the sensor's events to alerts in the spool, and what was only watched beside them: attributes, throttles, writes in
 * batches with one fsync each.
 */
export class EventPump {
  readonly #throttle = new Throttle<Attributed>();
  readonly #twins = new StackedTwins();
  #batch: SensorEvent[] = [];
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> = Promise.resolve();
  readonly #listeners = new Set<() => void>();
  #triedAt = 0;

  constructor(
    private readonly from: EventSource,
    private readonly spool: Spool,
    private readonly telemetryEvents: TelemetryEvents,
    private readonly around: Context,
  ) {}

  /** Called when there is something new in the spool. */
  onSpooled(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Runs until the signal aborts; subscribes again after the last event that was kept. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#spoolOpened(signal);
    if (!this.spool.isOpen) return;
    const aggregates = setInterval(() => void this.flush(), FLUSH_MS);
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        for await (const event of this.from.sensor.events(this.spool.sensorSequence, signal)) {
          failures = 0;
          if (event.type === 'observed') this.telemetryEvents.add(event);
          else await this.#take(event);
        }
      } catch (cause) {
        this.#ended(cause);
      }
      await this.flush();
      if (!signal.aborted)
        await this.around.clock.wait(
          backoff(failures, 500, 15_000, this.around.clock.random()),
          signal,
        );
    }
    clearInterval(aggregates);
    clearTimeout(this.#timer);
    await this.flush(Infinity);
  }

  /** Until then the sensor keeps what happens, and counts what it has no room for. */
  async #spoolOpened(signal: AbortSignal): Promise<void> {
    while (!this.spool.isOpen && !signal.aborted) {
      this.#tellSpool();
      await this.around.clock.wait(RETRY_MS, signal);
      if (!signal.aborted) await this.spool.retry();
      // Where there is nothing to resume at by then, all that it has kept, and not what happens from now on.
      this.spool.skipTo(1);
    }
  }

  /** Writes what waits, and the aggregates of windows that are over at `now`. */
  flush(now = this.around.clock.now()): Promise<void> {
    const events = this.#batch;
    this.#batch = [];
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flushing = this.#flushing
      .then(() => this.#spoolAll(events, now))
      .catch((cause: unknown) => {
        this.around.log.error('events could not be kept', { count: events.length, cause });
      });
    return this.#flushing;
  }

  async #take(event: SensorEvent): Promise<void> {
    this.#batch.push(event);
    if (this.#batch.length >= BATCH) return this.flush();
    this.#timer ??= setTimeout(() => void this.flush(), BATCH_MS);
  }

  async #spoolAll(events: readonly SensorEvent[], now: number): Promise<void> {
    const entries = events.flatMap((event) => this.#entriesOf(event, now));
    for (const { item, suppressed } of this.#throttle.flush(now))
      entries.push(...this.#entry(item, suppressed));
    if (entries.length > 0) await this.spool.append(entries);
    else await this.#retry(now);
    this.spool.skipTo(events.at(-1)?.seq ?? 0);
    this.#tellSpool();
    if (entries.length > 0) for (const tell of this.#listeners) tell();
  }

  async #retry(now: number): Promise<void> {
    if (Math.abs(now - this.#triedAt) < RETRY_MS) return;
    this.#triedAt = now;
    await this.spool.retry();
  }

  #entriesOf(event: SensorEvent, now: number): NewEntry[] {
    const rule = this.#ruleOf(event);
    const attributed = { event, rule };
    if (!isThrottled(event)) return this.#entry(attributed, 0);
    if (this.#twins.isTwin(event, rule)) return [];
    const key = keyOf(event, rule);
    const passed = this.#throttle.offer(key, processOf(event), attributed, now, event.suppressed);
    return passed === undefined ? [] : this.#entry(passed.item, passed.suppressed);
  }

  #entry({ event, rule }: Attributed, suppressed: number): NewEntry[] {
    const alert = alertOf(event, rule, this.from.source, suppressed);
    return alert === undefined ? [] : [{ sensor: event.seq, alert }];
  }

  #ruleOf(event: SensorEvent): RuleReference | undefined {
    if (event.type === 'guarded') return undefined;
    for (const report of this.from.reports()) {
      const rule = ruleOf(event, report.attribution);
      if (rule !== undefined) return rule;
    }
    return undefined;
  }

  #tellSpool(): void {
    const { failure, lost } = this.spool.status();
    if (failure === undefined) return this.around.conditions.clear('spool');
    const words = this.spool.isOpen
      ? `the spool takes no alerts (${failure}): make room or raise spool.maxBytes; ${lost} lost so far`
      : `the spool cannot be read (${failure}), and nothing is sent before it can: mend its folder, or move it away to begin anew`;
    this.around.conditions.raise('spool', words);
  }

  #ended(cause: unknown): void {
    if (cause instanceof SensorUnavailableError) this.from.onAway(cause);
    else this.around.log.error('the event stream ended in a way that nobody foresaw', { cause });
  }
}

function isThrottled({ type }: SensorEvent): boolean {
  return type === 'denied' || type === 'audited' || type === 'guarded';
}

/** What is throttled together: a rule; without one a profile; of attempts on the sensor each kind. */
function keyOf(event: SensorEvent, rule: RuleReference | undefined): string {
  if (event.type === 'guarded') return `!/${event.operation ?? ''}`;
  return rule === undefined ? `?/${event.profile ?? ''}` : `${rule.policy}/${rule.rule}`;
}
