import { limits, openCursor, sealEvents } from '#bundle';
import type { Alert, AlertBatch } from '#contracts';
import { HostLink } from '#redis';
import { errorMessage } from '../config/error-facts.js';
import { HostKeys } from '../delivery/host-keys.js';
import { SingleFlight } from '../health/single-flight.js';
import { Surroundings } from '../health/surroundings.js';
import { compareEventIds, parseEventId } from './event-id.js';
import { Spool } from './spool.js';

const BATCH_ALERTS = 200;
/** Half of what the control plane opens (`limits.eventBatchBytes`). */
const BATCH_BYTES = limits.eventBatchBytes / 2;
/** Unacknowledged alerts in Redis at most, so that a control plane that is away does not fill it. */
const WINDOW_BATCHES = 20;
/**
 * Without progress of the cursor for so long, everything after it is sent again: Redis may have lost it. Doubled each
 * time up to the cap: where it is the control plane that is away, Redis must not be filled with repetitions.
 */
const RESEND_BASE_MS = 10_000;
const RESEND_CAP_MS = 5 * 60_000;

/**
 * Sends what lies in the spool and drops it only when the control plane's authenticated cursor has passed it. Redis
 * may be emptied at any moment: what was sent and not acknowledged is sent again, and the store de-duplicates by id.
 */
export class Shipper {
  readonly #flight = new SingleFlight(() => this.#ship());
  #sent: string;
  /** Last ids of batches that were sent and not acknowledged, oldest first. */
  #inFlight: string[] = [];
  #progressAt: number;
  #resendMs = RESEND_BASE_MS;
  #rewindNext = false;
  /** Batches written since the agent started, repeated ones among them. */
  batches = 0;

  constructor(
    private readonly nodeId: string,
    private readonly link: HostLink,
    private readonly spool: Spool,
    private readonly hostKeys: HostKeys,
    private readonly around: Surroundings,
  ) {
    this.#sent = spool.acknowledged;
    this.#progressAt = around.clock.now();
  }

  /** Sends what there is and takes the cursor. Never rejects. */
  ship(): Promise<void> {
    return this.#flight.run();
  }

  /** True while something waits to be sent or acknowledged, so that the cursor is worth reading soon. */
  get waiting(): boolean {
    return this.spool.status().waiting > 0;
  }

  /** Redis was away and may be empty: what is not acknowledged is sent again at once. */
  async reconnected(): Promise<void> {
    // Not now: a batch may be under way, which would set the mark forward again.
    this.#rewindNext = true;
    await this.ship();
  }

  async #ship(): Promise<void> {
    const hostKey = this.hostKeys.current;
    if (hostKey === undefined || !this.waiting) return;
    try {
      await this.#readCursor(hostKey);
      if (this.#rewindNext) this.#rewind();
      if (this.around.clock.now() - this.#progressAt >= this.#resendMs) this.#resend();
      await this.#sendAll(hostKey);
      this.around.conditions.clear('events');
    } catch (cause) {
      this.around.conditions.raise('events', `alerts wait in the spool (${errorMessage(cause)})`);
    }
  }

  async #sendAll(hostKey: Buffer): Promise<void> {
    while (this.#inFlight.length < WINDOW_BATCHES) {
      const alerts = fitting(await this.spool.read(this.#sent, BATCH_ALERTS));
      const [first, last] = [alerts.at(0), alerts.at(-1)];
      if (first === undefined || last === undefined) return;
      if (this.#inFlight.length === 0) this.#progressAt = this.around.clock.now();
      await this.link.appendEvents(sealEvents(hostKey, this.nodeId, batchBytes(first, last, alerts)));
      this.#sent = last.EventID;
      this.#inFlight.push(last.EventID);
      this.batches += 1;
    }
  }

  async #readCursor(hostKey: Buffer): Promise<void> {
    const sealed = await this.link.readCursor();
    const cursor = sealed === undefined ? undefined : this.#openCursor(hostKey, sealed);
    if (cursor === undefined || compareEventIds(cursor, this.spool.acknowledged) <= 0) return;
    await this.spool.acknowledge(cursor);
    const done = this.spool.acknowledged;
    this.#inFlight = this.#inFlight.filter((last) => compareEventIds(last, done) > 0);
    if (compareEventIds(done, this.#sent) > 0) this.#sent = done;
    this.#progressAt = this.around.clock.now();
    this.#resendMs = RESEND_BASE_MS;
  }

  /** A cursor that does not open drops nothing: it is a forgery, or of another epoch. */
  #openCursor(hostKey: Buffer, sealed: Uint8Array): string | undefined {
    try {
      const cursor = JSON.parse(openCursor(hostKey, this.nodeId, sealed).toString('utf8')) as { v: unknown; last: unknown };
      const valid = cursor.v === 1 && typeof cursor.last === 'string' && parseEventId(cursor.last) !== undefined;
      return valid ? String(cursor.last) : undefined;
    } catch (cause) {
      this.around.log.debug('cursor does not open', { cause });
      return undefined;
    }
  }

  #resend(): void {
    this.#resendMs = Math.min(RESEND_CAP_MS, this.#resendMs * 2);
    this.#rewind();
  }

  #rewind(): void {
    this.#sent = this.spool.acknowledged;
    this.#inFlight = [];
    this.#progressAt = this.around.clock.now();
    this.#rewindNext = false;
  }
}

/** As many from the start as one batch may hold; one at least. */
function fitting(alerts: readonly Alert[]): readonly Alert[] {
  let bytes = 0;
  const end = alerts.findIndex((alert) => (bytes += Buffer.byteLength(JSON.stringify(alert))) > BATCH_BYTES);
  return end === -1 ? alerts : alerts.slice(0, Math.max(1, end));
}

function batchBytes(first: Alert, last: Alert, alerts: readonly Alert[]): Buffer {
  const batch: AlertBatch = { v: 1, first: first.EventID, last: last.EventID, alerts };
  return Buffer.from(JSON.stringify(batch));
}
