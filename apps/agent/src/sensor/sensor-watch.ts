import { isDeepStrictEqual } from 'node:util';
import type { AssignmentVersion } from '#contracts';
import type { CompileReport } from '#policy-compiler';
import { ProtocolError, Sensor, SensorRefusedError, ShapeError, type SensorState } from '#sensor';
import { errorMessage } from '../config/error-facts.js';
import { Context } from '../health/context.js';
import { parseCompileReport } from './compile-report.js';

const SKEW_MS = 60_000;

/** The sensor as last seen: its version, its state, and what the compiler reported about the rule set in force. */
export interface Sighting {
  readonly version: string;
  readonly state: SensorState;
  readonly compileReport: CompileReport | undefined;
  /** When it was first said to be so, ms since 1970: the sensor says the same again at each look. */
  readonly outcomeSince: number;
}

/** What became of a confirmation; `not-confirmed`: another rule set is in force by now, or the sensor is away. */
export type ConfirmOutcome = 'confirmed' | 'restart-needed' | 'not-confirmed';

/**
 * The one place that talks to the sensor and remembers what it said. Its absence, or another version of it, is a
 * condition and not an error: the agent goes on and asks again.
 */
export class SensorWatch {
  #sighting: Sighting | undefined;
  #facets = '';
  #wasBehind = false;
  #previousReport: CompileReport | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(
    private readonly sensor: Sensor,
    private readonly around: Context,
  ) {}

  /** What the sensor said last; absent before it was first reached. */
  get sighting(): Sighting | undefined {
    return this.#sighting;
  }

  /** Compiler's reports in the order in which to look for the rule behind a denial: in force, then the one before. */
  get reports(): readonly CompileReport[] {
    return [this.#sighting?.compileReport, this.#previousReport].filter(
      (report) => report !== undefined,
    );
  }

  /** Called at each change of assignment version, mode, outcome, profiles or drift. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Asks for the state; undefined where the sensor is away or of another version. */
  async refresh(): Promise<SensorState | undefined> {
    try {
      if (this.#sighting === undefined || this.around.conditions.has('sensor'))
        return await this.#greet();
      return this.#take(this.#sighting.version, await this.sensor.status());
    } catch (cause) {
      this.away(cause);
      return undefined;
    }
  }

  /** Hands an envelope over, and leaves it to the caller to tell of the change; throws SensorRefusedError, or undefined is given where the sensor went away. */
  async apply(envelope: Uint8Array): Promise<SensorState | undefined> {
    try {
      return this.#note(this.#sighting?.version ?? '', await this.sensor.apply(envelope));
    } catch (cause) {
      if (isRefusal(cause)) throw cause;
      this.away(cause);
      return undefined;
    }
  }

  /** Tells the sensor that the control plane was reached after this swap; `restart-needed` if this process does not show it. */
  async confirm(assignmentVersion: AssignmentVersion): Promise<ConfirmOutcome> {
    const outcome = await this.#confirm(assignmentVersion);
    if (outcome !== 'restart-needed') await this.refresh();
    return outcome;
  }

  async #confirm(assignmentVersion: AssignmentVersion): Promise<ConfirmOutcome> {
    try {
      await this.sensor.confirm(assignmentVersion);
      return 'confirmed';
    } catch (cause) {
      if (!isRefusal(cause)) this.away(cause);
      else if (cause.code === 'restart-needed') return 'restart-needed';
      return 'not-confirmed';
    }
  }

  /** Raises the condition that the sensor cannot be used. */
  away(cause: unknown): void {
    const otherVersion = cause instanceof ProtocolError || cause instanceof ShapeError;
    const problem = otherVersion
      ? `the sensor speaks another version (${errorMessage(cause)}): install agent and sensor of one release`
      : `the sensor is away (${errorMessage(cause)}): see systemctl status hostward-sensor; what is loaded stays in force`;
    this.around.conditions.raise('sensor', problem);
  }

  async #greet(): Promise<SensorState> {
    const { version, state } = await this.sensor.hello();
    return this.#take(version, state);
  }

  #take(version: string, state: SensorState): SensorState {
    const isFirst = this.#sighting === undefined;
    const before = this.#facets;
    this.#note(version, state);
    if (isFirst || before !== this.#facets) for (const tell of this.#listeners) tell();
    return state;
  }

  #note(version: string, state: SensorState): SensorState {
    const before = this.#sighting;
    const unchanged = before !== undefined && before.state.report === state.report;
    const compileReport = unchanged ? before.compileReport : parseCompileReport(state.report);
    if (!unchanged) this.#previousReport = before?.compileReport;
    this.#sighting = { version, state, compileReport, outcomeSince: outcomeSince(state, before) };
    this.#facets = facets(state);
    this.around.conditions.clear('sensor');
    this.#lookAtClock(state.highest?.issuedAt ?? 0);
    return state;
  }

  /** Where the clock is behind what was signed no certificate is valid yet, so that nobody else can tell what is wrong. */
  #lookAtClock(signedAtMs: number): void {
    const { clock, conditions } = this.around;
    const isBehind = clock.now() + SKEW_MS < signedAtMs;
    if (isBehind) conditions.raise('clock', clockBehind(clock.now(), signedAtMs));
    else if (this.#wasBehind) conditions.clear('clock');
    this.#wasBehind = isBehind;
  }
}

function outcomeSince({ outcome, asOf }: SensorState, before: Sighting | undefined): number {
  const same = isDeepStrictEqual(before?.state.outcome, outcome);
  return before !== undefined && same ? before.outcomeSince : asOf;
}

function clockBehind(...times: readonly [nowMs: number, signedAtMs: number]): string {
  const [now, signedAt] = times.map((ms) => new Date(ms).toISOString());
  return (
    `this host's clock says ${now}, before what was signed at ${signedAt}: set it (timedatectl); ` +
    'enforcement goes on, and the control plane is not reached until then'
  );
}

/** True where the sensor was reached and said no. */
export function isRefusal(cause: unknown): cause is SensorRefusedError {
  return cause instanceof SensorRefusedError;
}

/** What makes a new report worth sending at once; numbers of coverage and times change all the time and wait for the interval. */
function facets({
  assignmentVersion,
  mode,
  outcome,
  profiles,
  drift,
  confirm,
  suspension,
  probes,
  coverage: { awaited },
}: SensorState): string {
  return JSON.stringify([
    assignmentVersion,
    mode,
    outcome,
    profiles,
    drift,
    confirm,
    suspension,
    probes,
    awaited,
  ]);
}
