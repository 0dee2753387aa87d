import { limits, sealEvents } from '#bundle';
import type { AgentRun, AlertBatch } from '#contracts';
import { HostLink } from '#redis';
import { ChannelKeys } from '../trust/channel-keys.js';
import { SingleFlight } from '../health/single-flight.js';
import { Context } from '../health/context.js';
import { openEventCursor } from './event-cursor.js';
import { compareEventIds, formatEventId, parseEventId, type EventId } from './event-id.js';
import { TelemetryEvents } from './telemetry-events.js';
import { Spool } from './spool.js';

const BATCH_TELEMETRY_EVENTS = 500;
/** Little beside a batch of alerts, which may have to wait behind one of these. */
const BATCH_BYTES = limits.eventBatchBytes / 8;
/** What is not acknowledged by then counts as lost: nothing is sent twice. */
const PATIENCE_MS = 60_000;
const INTERVAL_MS = 1_000;

interface UnderWay {
  readonly last: string;
  readonly count: number;
  readonly sentAt: number;
}

/**
 * Sends what was only watched, best effort: one batch under way at a time, and none while alerts wait. So it can neither
 * fill the spool or the host's stream nor hold up alerts. Numbered above what the store has of this host: the clock may have
 * been ahead when the agent was started before.
 */
export class TelemetryEventShipper {
  readonly #flight = new SingleFlight(() => this.#ship());
  #underWay: UnderWay | undefined;
  /** Of the next one that is sent; undefined before the first. */
  #next: EventId | undefined;

  constructor(
    private readonly nodeId: string,
    private readonly link: Pick<HostLink, 'appendEvents' | 'readCursor'>,
    private readonly telemetryEvents: TelemetryEvents,
    private readonly spool: Pick<Spool, 'status'>,
    private readonly channelKeys: Pick<ChannelKeys, 'current'>,
    private readonly reports: { readonly run: AgentRun | undefined },
    private readonly around: Context,
  ) {}

  /** Sends a batch where nothing is under way. Never rejects. */
  ship(): Promise<void> {
    return this.#flight.run();
  }

  /** Until the next look. */
  intervalMs(): number {
    return INTERVAL_MS;
  }

  async #ship(): Promise<void> {
    const channelKey = this.channelKeys.current;
    const { run } = this.reports;
    if (channelKey === undefined || run === undefined) return;
    try {
      if (this.#underWay !== undefined) await this.#lookAfter(channelKey, this.#underWay);
      if (this.#underWay === undefined && this.spool.status().waiting === 0)
        await this.#send(channelKey, run);
    } catch (cause) {
      this.around.log.debug('telemetry events were not sent', { cause });
    }
  }

  async #lookAfter(channelKey: Buffer, { last, count, sentAt }: UnderWay): Promise<void> {
    const stored = (await this.#storedUpTo(channelKey)) ?? '';
    const ahead = compareEventIds(stored, last);
    if (ahead < 0 && this.around.clock.elapsed() - sentAt < PATIENCE_MS) return;
    if (ahead !== 0) this.telemetryEvents.miss(count);
    // Beyond what was sent: it was taken for what the store has.
    if (ahead > 0) this.#next = this.#above(stored);
    this.#underWay = undefined;
  }

  async #send(channelKey: Buffer, run: AgentRun): Promise<void> {
    this.#next ??= this.#above((await this.#storedUpTo(channelKey)) ?? '');
    const { start, sequence } = this.#next;
    const taken = this.telemetryEvents.take(BATCH_TELEMETRY_EVENTS, BATCH_BYTES);
    const alerts = taken.map((each, at) => ({
      ...each,
      EventID: formatEventId({ start, sequence: sequence + at }),
    }));
    const [first, last] = [alerts.at(0)?.EventID, alerts.at(-1)?.EventID];
    if (first === undefined || last === undefined) return;
    this.#next = { start, sequence: sequence + alerts.length };
    const batch: AlertBatch = { v: 1, run, first, last, kind: 'observed', alerts };
    this.#underWay = { last, count: alerts.length, sentAt: this.around.clock.elapsed() };
    const bytes = Buffer.from(JSON.stringify(batch));
    await this.link.appendEvents(sealEvents(channelKey, this.nodeId, bytes));
  }

  #above(stored: string): EventId {
    const above = (parseEventId(stored)?.start ?? 0) + 1;
    return { start: Math.max(this.around.clock.now(), above), sequence: 1 };
  }

  /** A cursor that does not open acknowledges nothing. */
  async #storedUpTo(channelKey: Buffer): Promise<string | undefined> {
    const sealed = await this.link.readCursor();
    try {
      return sealed && openEventCursor(channelKey, this.nodeId, sealed).observed;
    } catch (cause) {
      this.around.log.debug('cursor does not open', { cause });
      return undefined;
    }
  }
}
