import { limits, sealEvents } from '#bundle';
import type { AgentRun, Alert, AlertBatch } from '#contracts';
import { HostLink } from '#redis';
import { errorMessage } from '../config/error-facts.js';
import { ChannelKeys } from '../trust/channel-keys.js';
import { SingleFlight } from '../health/single-flight.js';
import { Context } from '../health/context.js';
import { openEventCursor } from './event-cursor.js';
import { compareEventIds } from './event-id.js';
import { Spool } from './spool.js';

const BATCH_ALERTS = 1_000;
/** Half of what the control plane opens (`limits.eventBatchBytes`). */
const BATCH_BYTES = limits.eventBatchBytes / 2;
/** Wait between two looks at the cursor while a batch is under way: short at first, since it mostly comes at once. */
const POLL_BASE_MS = 50;
const POLL_CAP_MS = 2_000;
/**
 * Without the cursor for so long, the batch is sent again: Redis may have lost it. Doubled each time up to the cap:
 * where it is the control plane that is away, Redis must not be filled with repetitions.
 */
const RESEND_BASE_MS = 10_000;
const RESEND_CAP_MS = 5 * 60_000;

interface UnderWay {
  readonly last: string;
  readonly sentAt: number;
}

/**
 * Sends what lies in the spool and drops it only when the control plane's authenticated cursor has passed it. One
 * batch is under way at a time: the cursor says "everything up to here", so a later batch that arrives while Redis
 * lost an earlier one would acknowledge what was never stored. The store de-duplicates what is sent again by id.
 */
export class Shipper {
  readonly #flight = new SingleFlight(() => this.#ship());
  #underWay: UnderWay | undefined;
  /** Whether it was asked for a cursor since the agent started: the first one may tell that the spool was lost. */
  #hasAsked = false;
  /** Up to which id anything was sent since the agent started; undefined before the first. */
  #sentUpTo: string | undefined;
  #polls = 0;
  #resendMs = RESEND_BASE_MS;
  #sendAgain = false;
  /** Batches written since the agent started, repeated ones among them. */
  batches = 0;

  constructor(
    private readonly nodeId: string,
    private readonly link: Pick<HostLink, 'appendEvents' | 'readCursor'>,
    private readonly spool: Spool,
    private readonly channelKeys: Pick<ChannelKeys, 'current'>,
    /** Knows this run by its last report; before the first nothing is sent, since nobody would know whose it is. */
    private readonly reports: { readonly run: AgentRun | undefined },
    private readonly around: Context,
  ) {}

  /** Sends what there is and takes the cursor. Never rejects. */
  ship(): Promise<void> {
    return this.#flight.run();
  }

  /** Until the next look at the cursor, or at the spool where nothing is under way. */
  intervalMs(): number {
    return this.#underWay === undefined
      ? POLL_CAP_MS
      : Math.min(POLL_CAP_MS, POLL_BASE_MS * 2 ** Math.min(this.#polls, 10));
  }

  /** Redis was away and may be empty: what is not acknowledged is sent again at once. */
  async reconnected(): Promise<void> {
    this.#sendAgain = true;
    await this.ship();
  }

  async #ship(): Promise<void> {
    const channelKey = this.channelKeys.current;
    const { run } = this.reports;
    if (channelKey === undefined || run === undefined || !this.spool.isOpen) return;
    if (this.spool.status().waiting === 0 && this.#hasAsked) return;
    try {
      await this.#readCursor(channelKey);
      this.#hasAsked = true;
      if (this.#isDue()) await this.#send(channelKey, run);
      this.#polls += 1;
      this.around.conditions.clear('events');
    } catch (cause) {
      const what =
        this.spool.status().waiting === 0
          ? 'what is stored of the alerts cannot be asked; none waits'
          : 'alerts wait in the spool';
      this.around.conditions.raise('events', `${what} (${errorMessage(cause)})`);
    }
  }

  #isDue(): boolean {
    if (this.#underWay === undefined || this.#sendAgain) return true;
    if (this.around.clock.elapsed() - this.#underWay.sentAt < this.#resendMs) return false;
    this.#resendMs = Math.min(RESEND_CAP_MS, this.#resendMs * 2);
    return true;
  }

  async #send(channelKey: Buffer, run: AgentRun): Promise<void> {
    const alerts = fitting(await this.spool.read(this.spool.acknowledged, BATCH_ALERTS));
    const [first, last] = [alerts.at(0), alerts.at(-1)];
    if (first === undefined || last === undefined) return;
    const batch: AlertBatch = { v: 1, run, first: first.EventID, last: last.EventID, alerts };
    const bytes = Buffer.from(JSON.stringify(batch));
    await this.link.appendEvents(sealEvents(channelKey, this.nodeId, bytes));
    this.#underWay = { last: last.EventID, sentAt: this.around.clock.elapsed() };
    if (compareEventIds(last.EventID, this.#sentUpTo ?? '') > 0) this.#sentUpTo = last.EventID;
    this.#sendAgain = false;
    this.#polls = 0;
    this.batches += 1;
  }

  async #readCursor(channelKey: Buffer): Promise<void> {
    const sealed = await this.link.readCursor();
    const cursor = sealed === undefined ? undefined : this.#openCursor(channelKey, sealed);
    if (cursor === undefined || compareEventIds(cursor, this.spool.acknowledged) <= 0) return;
    if (this.spool.isForeign(cursor)) return this.#startAbove(cursor);
    // Not beyond what was sent: what was not cannot have been stored. More may have been than is under way now.
    if (this.#sentUpTo !== undefined && compareEventIds(cursor, this.#sentUpTo) > 0) return;
    await this.spool.acknowledge(cursor);
    this.#resendMs = RESEND_BASE_MS;
    if (this.#underWay && compareEventIds(cursor, this.#underWay.last) >= 0)
      this.#underWay = undefined;
  }

  /** The control plane stored what this host does not know of: the folder of the spool was lost, or is an older copy. */
  async #startAbove(cursor: string): Promise<void> {
    await this.spool.startAbove(cursor);
    this.around.log.warn(
      'the spool was lost, or is an older copy: alerts that waited in it are gone, and count as one; those that wait now get ids above what the control plane has',
      { cursor },
    );
    this.#underWay = undefined;
    this.#resendMs = RESEND_BASE_MS;
  }

  /** A cursor that does not open drops nothing. */
  #openCursor(channelKey: Buffer, sealed: Uint8Array): string | undefined {
    try {
      return openEventCursor(channelKey, this.nodeId, sealed).last;
    } catch (cause) {
      this.around.log.debug('cursor does not open', { cause });
      return undefined;
    }
  }
}

/** As many from the start as one batch may hold; one at least. */
function fitting(alerts: readonly Alert[]): readonly Alert[] {
  let bytes = 0;
  const end = alerts.findIndex(
    (alert) => (bytes += Buffer.byteLength(JSON.stringify(alert))) > BATCH_BYTES,
  );
  return end === -1 ? alerts : alerts.slice(0, Math.max(1, end));
}
