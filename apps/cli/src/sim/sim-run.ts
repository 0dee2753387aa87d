import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ControlPlane } from '../client/control-plane.js';
import { messageOf } from '../output/errors.js';
import { hosts as hostsText } from '../output/counted.js';
import { Progress } from '../output/progress.js';
import { liveText } from './live-text.js';
import { applyChange, type ChangeResult } from './sim-change.js';
import { COME_WITHIN_MS, monotonicMs, SimFleet, type SimFleetOptions } from './sim-fleet.js';

/** Sizes of a run; times in ms. */
export interface SimRunOptions extends Omit<SimFleetOptions, 'stateDir' | 'prefix'> {
  readonly run: string;
  readonly durationMs: number;
  /** Between two changes; absent: none is made. */
  readonly changeEveryMs: number | undefined;
  /** From when all hosts have come; absent: none. */
  readonly stormAtMs: number | undefined;
  /** Hosts stay known to the control plane. */
  readonly keep: boolean;
}

/** What a run tells as JSON. */
export interface SimReport {
  readonly v: 1;
  /** Of all that chance decided; the same options and seed draw it again. */
  readonly seed: number;
  readonly nodes: number;
  readonly processes: number;
  /** What is not as on a real host. */
  readonly simulated: readonly string[];
  readonly enrolled: number;
  readonly enrolMs: number;
  readonly changes: readonly ChangeResult[];
  /** Until all hosts that had come heard nudges again and had reported; absent without a storm, null: not all did. */
  readonly reconnectAllMs?: number | null;
  readonly rssPerSimulatedHostKiB: number;
  readonly cpuMs: number;
  readonly troubles: readonly string[];
}

/** What `hostward sim` leaves out, in each report. */
const SIMULATED = [
  'no kernel, sensor or parser: a verified rule set counts as loaded',
  'a rule set is compiled once a process',
  'a signature that is the same for several hosts is verified once a process',
  'what hosts of a process do after a change has come waits until the others have theirs',
  'no alerts, no spool, no health.json',
];
const STORM_WITHIN_MS = 120_000;
const CHANGE_WITHIN_MS = 60_000;
const LIVE_EVERY_MS = 1_000;
const NOT_FOUND = 404;
/** By it the changes of a run select its hosts. */
const RUN_LABEL = 'hostward-sim';

/** Runs the simulation to its end and takes away what it made. */
export async function runSimulation(
  controlPlane: ControlPlane,
  options: SimRunOptions,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<SimReport> {
  const stateDir = await mkdtemp(join(tmpdir(), 'hostward-sim-'));
  const labels = options.labels.map((each) => ({ ...each, [RUN_LABEL]: options.run }));
  const prefix = `sim-${options.run}`;
  const run = new Run(controlPlane, options, tell);
  try {
    const fleet = await SimFleet.start(controlPlane, { ...options, labels, prefix, stateDir });
    try {
      return await run.measure(fleet, signal);
    } finally {
      await fleet.stop();
      await run.removeAll(fleet);
    }
  } finally {
    await rm(stateDir, { recursive: true, force: true });
  }
}

class Run {
  readonly #changes: ChangeResult[] = [];
  readonly #progress = new Progress();
  #applied = false;

  constructor(
    private readonly controlPlane: ControlPlane,
    private readonly options: SimRunOptions,
    private readonly tell: (line: string) => void,
  ) {}

  async measure(fleet: SimFleet, signal: AbortSignal): Promise<SimReport> {
    const started = monotonicMs();
    const live = setInterval(() => this.#show(fleet, started), LIVE_EVERY_MS);
    try {
      const came = await fleet.reached('reported', {}, { withinMs: COME_WITHIN_MS, signal });
      const enrolMs = Math.max(started, ...came.values()) - started;
      const all = new AbortController();
      const end = AbortSignal.any([signal, all.signal]);
      const until = delay(this.options.durationMs, undefined, { signal });
      const changing = this.#change(fleet, end);
      const storm = this.#storm(fleet, end);
      await until;
      all.abort();
      await changing;
      return this.#report(fleet, enrolMs, await storm);
    } finally {
      clearInterval(live);
      this.#progress.clear();
    }
  }

  /** Takes the policy and the hosts out of the control plane again. */
  async removeAll(fleet: SimFleet): Promise<void> {
    if (this.#applied) await this.#removePolicy();
    if (this.options.keep) return;
    const left = await fleet.remove();
    const [reason] = left;
    if (reason !== undefined)
      this.#say(
        `left behind: ${hostsText(left.length)} of the run, ${reason}; ` +
          `\`hostward get nodes -l ${RUN_LABEL}=${this.options.run}\` shows them`,
      );
  }

  /** An apply that was interrupted may have come to nothing. */
  async #removePolicy(): Promise<void> {
    const path = `/v1/policies/${this.#policy}`;
    const trouble = await this.controlPlane
      .answer(path, { method: 'DELETE' })
      .then(
        ({ status }) => (status < 400 || status === NOT_FOUND ? undefined : `HTTP ${status}`),
        messageOf,
      );
    if (trouble !== undefined) this.#say(`the policy ${this.#policy} was left behind: ${trouble}`);
  }

  get #policy(): string {
    return `sim-${this.options.run}`;
  }

  async #change(fleet: SimFleet, end: AbortSignal): Promise<void> {
    const { changeEveryMs, run } = this.options;
    if (changeEveryMs === undefined) return;
    for (let number = 1; !end.aborted; number += 1) {
      const change = {
        policy: this.#policy,
        number,
        label: [RUN_LABEL, run] as const,
        isOne: () => true,
        withinMs: CHANGE_WITHIN_MS,
      };
      this.#applied = true;
      try {
        const result = await applyChange(fleet, this.controlPlane, change, end);
        this.#changes.push(result);
        this.#say(changeText(result));
        await delay(changeEveryMs, undefined, { signal: end });
      } catch (error) {
        // One that the end of the run interrupts does not count.
        if (!end.aborted) throw error;
      }
    }
  }

  async #storm(fleet: SimFleet, end: AbortSignal): Promise<number | null | undefined> {
    const { stormAtMs } = this.options;
    if (stormAtMs === undefined) return undefined;
    await delay(stormAtMs, undefined, { signal: end }).catch(() => undefined);
    if (end.aborted) return null;
    const before = fleet.count('reported');
    const cutAt = monotonicMs();
    fleet.order('cut');
    const since = { since: cutAt };
    const back = await fleet
      .reached('reported', since, { withinMs: STORM_WITHIN_MS, signal: end })
      .catch(() => new Map<string, number>());
    if (back.size < before) return null;
    const took = Math.max(...back.values()) - cutAt;
    this.#say(`storm: all ${hostsText(before)} are back after ${Math.round(took)} ms`);
    return took;
  }

  #say(line: string): void {
    this.#progress.clear();
    this.tell(line);
  }

  #show(fleet: SimFleet, started: number): void {
    this.#progress.show(
      liveText({
        seconds: Math.round((monotonicMs() - started) / 1_000),
        enrolled: fleet.count('enrolled'),
        listening: fleet.count('listening'),
        inForce: fleet.count('in-force'),
        changes: this.#changes.length,
        conditions: fleet.conditions,
      }),
    );
  }

  #report(fleet: SimFleet, enrolMs: number, storm: number | null | undefined): SimReport {
    const enrolled = fleet.count('enrolled');
    const { residentBytes, cpuMs } = fleet.use;
    return {
      v: 1,
      seed: this.options.seed,
      nodes: fleet.hosts.length,
      processes: this.options.processes,
      simulated: SIMULATED,
      enrolled,
      enrolMs,
      changes: this.#changes,
      ...(storm === undefined ? {} : { reconnectAllMs: storm }),
      rssPerSimulatedHostKiB: residentBytes / 1_024 / Math.max(1, enrolled),
      cpuMs,
      troubles: fleet.troubles,
    };
  }
}

/** One line about a change, for people. */
function changeText(result: ChangeResult): string {
  const { revision, hosts, failed, missing, lastDelivery, ackP50, ackP99, lastVerified } = result;
  const ms = (value: number): string => `${Math.round(value)} ms`;
  const lacking =
    (failed === 0 ? '' : `; ${failed} failed to load it`) +
    (missing === 0 ? '' : `; ${missing} have not reported it`);
  return (
    `change ${revision} on ${hostsText(hosts)}: in force on the last after ${ms(lastDelivery)}; ` +
    `reported p50 ${ms(ackP50)}, p99 ${ms(ackP99)}; all verified after ${ms(lastVerified)}${lacking}`
  );
}
