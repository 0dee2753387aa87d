import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BenchFleet } from './bench-fleet.js';
import { BenchReport } from './bench-report.js';
import { compileBench } from './compile-bench.js';
import { fleetBench, oneAgentBench } from './delivery-bench.js';
import { idleBench, servicesIdle } from './idle-bench.js';
import { machineLine } from './machine.js';

/** Sizes of a run; all are bounded by the command line. */
export interface ApplyBenchOptions {
  readonly agents: number;
  readonly rounds: number;
  readonly rules: readonly number[];
  readonly idleMs: number;
  readonly json: boolean;
}

/** After work a process still collects garbage and confirms; an idle fleet is one that has done so. */
const SETTLE_MS = 5_000;

/** `bench apply`: the path of a policy on real processes of this machine, timed; nothing is left running behind it. */
export async function applyBench(options: ApplyBenchOptions, signal: AbortSignal): Promise<void> {
  const machine = await machineLine();
  const report = new BenchReport('apply', machine, options.json);
  report.note(`measured on: ${machine}`);
  await compileBench(report, options.rules, signal);
  const folder = await mkdtemp(join(tmpdir(), 'hostward-bench-'));
  const fleet = BenchFleet.in(folder, (message) => report.note(message));
  try {
    await fleetCases(report, fleet, options, signal);
  } finally {
    await fleet.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function fleetCases(
  report: BenchReport,
  fleet: BenchFleet,
  { agents, rounds, idleMs }: ApplyBenchOptions,
  signal: AbortSignal,
): Promise<void> {
  await fleet.start(agents);
  signal.throwIfAborted();
  await delay(SETTLE_MS, undefined, { signal });
  const without = await servicesIdle(fleet, idleMs, signal);
  await fleet.grow(1, signal);
  await oneAgentBench(report, fleet, rounds, signal);
  report.note(`\nstarting ${agents - 1} more agents`);
  await fleet.grow(agents, signal);
  await delay(SETTLE_MS, undefined, { signal });
  await fleetBench(report, fleet, rounds, signal);
  await delay(SETTLE_MS, undefined, { signal });
  await idleBench(report, fleet, { without, windowMs: idleMs, signal });
}
