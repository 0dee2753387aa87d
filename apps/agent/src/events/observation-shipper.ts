import { limits, sealEvents } from '#bundle';
import type { AgentRun, AlertBatch } from '#contracts';
import { HostLink } from '#redis';
import { HostKeys } from '../delivery/host-keys.js';
import { SingleFlight } from '../health/single-flight.js';
import { Surroundings } from '../health/surroundings.js';
import { openEventCursor } from './event-cursor.js';
import { compareEventIds } from './event-id.js';
import { Observations } from './observations.js';
import { Spool } from './spool.js';

const BATCH_OBSERVATIONS = 500;
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
 * fill the spool or the host's stream nor hold up alerts.
 */
export class ObservationShipper {
  readonly #flight = new SingleFlight(() => this.#ship());
  #underWay: UnderWay | undefined;

  constructor(
    private readonly nodeId: string,
    private readonly link: Pick<HostLink, 'appendEvents' | 'readCursor'>,
    private readonly observations: Observations,
    private readonly spool: Pick<Spool, 'status'>,
    private readonly hostKeys: Pick<HostKeys, 'current'>,
    private readonly reports: { readonly run: AgentRun | undefined },
    private readonly around: Surroundings,
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
    const hostKey = this.hostKeys.current;
    const { run } = this.reports;
    if (hostKey === undefined || run === undefined) return;
    try {
      if (this.#underWay !== undefined) await this.#lookAfter(hostKey, this.#underWay);
      if (this.#underWay === undefined && this.spool.status().waiting === 0)
        await this.#send(hostKey, run);
    } catch (cause) {
      this.around.log.debug('observations were not sent', { cause });
    }
  }

  async #lookAfter(hostKey: Buffer, { last, count, sentAt }: UnderWay): Promise<void> {
    const sealed = await this.link.readCursor();
    const stored = sealed && this.#storedUpTo(hostKey, sealed);
    const arrived = stored !== undefined && compareEventIds(stored, last) >= 0;
    if (!arrived && this.around.clock.elapsed() - sentAt < PATIENCE_MS) return;
    if (!arrived) this.observations.miss(count);
    this.#underWay = undefined;
  }

  async #send(hostKey: Buffer, run: AgentRun): Promise<void> {
    const alerts = this.observations.take(BATCH_OBSERVATIONS, BATCH_BYTES);
    const [first, last] = [alerts.at(0)?.EventID, alerts.at(-1)?.EventID];
    if (first === undefined || last === undefined) return;
    const batch: AlertBatch = { v: 1, run, first, last, kind: 'observed', alerts };
    this.#underWay = { last, count: alerts.length, sentAt: this.around.clock.elapsed() };
    const bytes = Buffer.from(JSON.stringify(batch));
    await this.link.appendEvents(sealEvents(hostKey, this.nodeId, bytes));
  }

  /** A cursor that does not open acknowledges nothing. */
  #storedUpTo(hostKey: Buffer, sealed: Uint8Array): string | undefined {
    try {
      return openEventCursor(hostKey, this.nodeId, sealed).observed;
    } catch (cause) {
      this.around.log.debug('cursor does not open', { cause });
      return undefined;
    }
  }
}
