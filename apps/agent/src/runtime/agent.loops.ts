import { AuthorityWatch } from '../enrollment/authority-watch.js';
import { Renewal } from '../enrollment/renewal.js';
import { confirmAfterMs } from '../delivery/confirm-after.js';
import { Confirmation } from '../delivery/confirmation.js';
import { Courier } from '../delivery/courier.js';
import { EventPump } from '../events/event-pump.js';
import { TelemetryEventShipper } from '../events/telemetry-event-shipper.js';
import { Shipper } from '../events/shipper.js';
import { AskAgain } from '../health/ask-again.js';
import { backoff, jittered } from '../health/clock.js';
import { HealthFile } from '../health/health-file.js';
import { Context } from '../health/context.js';
import { Redirects } from '../redirect/redirects.js';
import { LastUpgrade } from '../reporting/last-upgrade.js';
import { ReportPace } from '../health/report-pace.js';
import { Reporter } from '../reporting/reporter.js';
import { SensorWatch } from '../sensor/sensor-watch.js';

/** Beside nudges; at least so many intervals of reports, so that it is rarer in a large fleet too. */
const CHECK_MS = 15_000;
const CHECK_INTERVALS = 1.5;
/** While something is unsettled (a bundle is missing, a swap unconfirmed) it is looked at again sooner. */
const UNSETTLED_MS = 3_000;
/** What Redis cut short is asked for again sooner, though ever later: a nudge does not come again. */
const AGAIN_BASE_MS = 2_000;
const AGAIN_CAP_MS = 30_000;
const RENEW_MS = 60_000;

/** The parts of the agent that run on their own. */
export interface AgentParts {
  readonly courier: Courier;
  readonly confirmation: Pick<Confirmation, 'attempt' | 'afterSwap'>;
  readonly sensors: SensorWatch;
  readonly upgrade: Pick<LastUpgrade, 'refresh'>;
  readonly reporter: Pick<Reporter, 'report' | 'reconnected' | 'look' | 'intervalMs'>;
  readonly pace: Pick<ReportPace, 'everyMs' | 'askEveryMs'>;
  readonly pump: Pick<EventPump, 'run' | 'onSpooled'>;
  readonly shipper: Pick<Shipper, 'ship' | 'intervalMs' | 'reconnected'>;
  readonly telemetryEvents: Pick<TelemetryEventShipper, 'ship' | 'intervalMs'>;
  readonly health: Pick<HealthFile, 'write'>;
  readonly renewal: Renewal;
  readonly authorities: AuthorityWatch;
  readonly redirects: Redirects;
}

/** What makes the agent level-triggered: everything is looked at again at intervals, and each change moves the next part. */
export class AgentLoops {
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #checksAgain = false;
  /** Confirmations under way. */
  #confirms = 0;
  #forget: (() => void) | undefined;

  constructor(
    private readonly parts: AgentParts,
    private readonly around: Context,
  ) {}

  start(): void {
    this.#connect();
    const { pump, courier, confirmation, sensors, reporter, shipper, health } = this.parts;
    const { telemetryEvents, renewal, authorities, pace, upgrade, redirects } = this.parts;
    const check = async (): Promise<void> => {
      await courier.check();
      await confirmation.attempt();
    };
    const report = async (): Promise<void> => {
      await Promise.all([sensors.refresh(), upgrade.refresh()]);
      await reporter.look();
      await health.write();
    };
    const ask = new AskAgain(() => pace.askEveryMs, this.around.clock);
    const renew = async (): Promise<void> => {
      await renewal.attempt();
      if (!ask.isDue()) return;
      ask.begin();
      await authorities.attempt();
      // It was not there: in a minute again, and not when the next time would be.
      if (this.around.conditions.has('control-plane')) ask.hurry();
    };
    this.#running = Promise.all([
      pump.run(this.#stop.signal),
      this.#every(check, () => this.#untilNextCheck()),
      this.#every(report, () => reporter.intervalMs()),
      this.#every(
        () => shipper.ship(),
        () => shipper.intervalMs(),
      ),
      this.#every(
        () => telemetryEvents.ship(),
        () => telemetryEvents.intervalMs(),
      ),
      this.#every(renew, () => jittered(RENEW_MS, this.around.clock.random())),
      this.#every(
        () => redirects.attempt(),
        () => redirects.intervalMs(),
      ),
    ]);
  }

  /** The link to Redis is there again: what was missed meanwhile is asked for now. */
  reconnected(): void {
    this.around.log.debug('subscribed to nudges');
    void this.parts.courier.check();
    void this.parts.reporter.reconnected();
    void this.parts.shipper.reconnected();
  }

  /** Stops taking in, and waits until what was taken is on disk. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#forget?.();
    await this.#running;
  }

  /** A change in one part moves the next one along the path of a policy. */
  #connect(): void {
    const { courier, sensors, reporter, pump, shipper, health, redirects } = this.parts;
    redirects.onChange(() => reporter.report());
    courier.onAttempt((swapped) => {
      void reporter.report();
      if (swapped) void this.#confirmSoon();
    });
    courier.onCutShort((inARow) => void this.#checkAgain(inARow));
    // Only what is news: of a swap that is confirmed, as it mostly is, no report tells.
    sensors.onChange(() => {
      void reporter.look();
      // A swap that the sensor made by itself: what it was compiled by has changed, or a suspension or exception ended.
      if (this.#confirms === 0 && this.#confirm === 'waiting') void this.#confirmSoon();
    });
    pump.onSpooled(() => void shipper.ship());
    const { conditions } = this.around;
    let wasAway = conditions.has('sensor');
    this.#forget = conditions.onChange(() => {
      void health.write();
      const isAway = conditions.has('sensor');
      // A change that came meanwhile was handed to nobody, and its nudge does not come again.
      if (wasAway && !isAway) void courier.check();
      wasAway = isAway;
    });
  }

  /** Until it is confirmed: where the first attempt fails, checks may be rarer than the sensor is patient. */
  async #confirmSoon(): Promise<void> {
    const { clock } = this.around;
    const { signal } = this.#stop;
    this.#confirms += 1;
    await clock.wait(confirmAfterMs(this.parts.pace.everyMs, clock.random()), signal);
    if (!signal.aborted) await this.parts.confirmation.afterSwap();
    // Of several one goes on.
    while (this.#confirms === 1 && this.#isUnconfirmed && !signal.aborted) {
      await clock.wait(jittered(UNSETTLED_MS, clock.random()), signal);
      if (!signal.aborted) await this.parts.confirmation.attempt();
    }
    this.#confirms -= 1;
  }

  get #confirm(): string | undefined {
    return this.parts.sensors.sighting?.state.confirm?.state;
  }

  get #isUnconfirmed(): boolean {
    return this.#confirm === 'waiting' || this.#confirm === 'unconfirmed';
  }

  async #checkAgain(inARow: number): Promise<void> {
    if (this.#checksAgain) return;
    this.#checksAgain = true;
    const { clock } = this.around;
    const waitMs = backoff(inARow, AGAIN_BASE_MS, AGAIN_CAP_MS, clock.random());
    await clock.wait(waitMs, this.#stop.signal);
    this.#checksAgain = false;
    if (!this.#stop.signal.aborted) await this.parts.courier.check();
  }

  #untilNextCheck(): number {
    const unsettled = this.#isUnconfirmed || this.around.conditions.has('delivery');
    const settledMs = Math.max(CHECK_MS, CHECK_INTERVALS * this.parts.pace.everyMs);
    return jittered(unsettled ? UNSETTLED_MS : settledMs, this.around.clock.random());
  }

  async #every(work: () => Promise<void>, intervalMs: () => number): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await work();
      await this.around.clock.wait(Math.max(10, intervalMs()), signal);
    }
  }
}
