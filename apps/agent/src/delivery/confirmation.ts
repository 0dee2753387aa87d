import type { AssignmentVersion } from '#contracts';
import type { SensorState } from '#sensor';
import { errorMessage } from '../config/error-facts.js';
import { backoff } from '../health/clock.js';
import { SingleFlight } from '../health/single-flight.js';
import { Context } from '../health/context.js';
import { SensorWatch } from '../sensor/sensor-watch.js';
import { Reachability } from '../health/reachability.js';

const RETRY_BASE_MS = 1_000;
const RETRY_CAP_MS = 15_000;

/**
 * Commit-confirm (D11): after a swap the control plane is reached anew, by connections that did not exist
 * before it, and only then is the sensor told. Until that has happened it is tried again; what the sensor makes of an
 * absence is the sensor's decision. What was confirmed before is confirmed once by each start of the agent: to the sensor
 * that tells a boot that led somewhere from one of a loop.
 */
export class Confirmation {
  readonly #flight = new SingleFlight(() => this.#confirm());
  readonly #listeners = new Set<() => void>();
  #failures = 0;
  #notBefore = 0;
  /** Whether this process has confirmed anything. */
  #hasConfirmed = false;

  constructor(
    private readonly sensors: SensorWatch,
    private readonly reachability: Reachability,
    private readonly around: Context,
  ) {}

  /**
   * Called when only a process started after the swap can confirm it: the policies in force override the protection of
   * the control path, and much of that would hit the agent at its next start alone.
   */
  onRestartNeeded(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Confirms what is in force and waits for it, unless an attempt failed a moment ago. Never rejects. */
  async attempt(): Promise<void> {
    if (
      this.around.clock.elapsed() < this.#notBefore ||
      this.#pending(this.sensors.sighting?.state) === undefined
    )
      return;
    await this.#flight.run();
  }

  /** Begins anew: there was a swap. */
  async afterSwap(): Promise<void> {
    this.#failures = 0;
    this.#notBefore = 0;
    await this.attempt();
  }

  async #confirm(): Promise<void> {
    const assignmentVersion = this.#pending(this.sensors.sighting?.state);
    if (assignmentVersion === undefined) return;
    try {
      await this.reachability.proveWays();
      const outcome = await this.sensors.confirm(assignmentVersion);
      if (outcome === 'restart-needed') return this.#restart();
      // What is in force by now is confirmed in its turn.
      if (outcome === 'not-confirmed') return;
      this.#failures = 0;
      this.#hasConfirmed = true;
      this.around.log.info('assignment confirmed', { ...assignmentVersion });
    } catch (cause) {
      this.#failures += 1;
      const waitMs = backoff(
        this.#failures,
        RETRY_BASE_MS,
        RETRY_CAP_MS,
        this.around.clock.random(),
      );
      this.#notBefore = this.around.clock.elapsed() + waitMs;
      const isAgain = this.sensors.sighting?.state.confirm?.state === 'confirmed';
      const what = isAgain ? 'this start was not confirmed yet' : 'assignment not confirmed yet';
      this.around.log.warn(what, {
        ...assignmentVersion,
        problem: errorMessage(cause),
        waitMs,
      });
    }
  }

  #restart(): void {
    for (const tell of this.#listeners) tell();
  }

  /** The assignment that waits for its confirmation, or for that of this process. */
  #pending(state: SensorState | undefined): AssignmentVersion | undefined {
    const confirm = state?.confirm?.state;
    const isAwaited = confirm === 'waiting' || confirm === 'unconfirmed';
    const isThisStarts = confirm === 'confirmed' && !this.#hasConfirmed;
    return isAwaited || isThisStarts ? state?.assignmentVersion : undefined;
  }
}
