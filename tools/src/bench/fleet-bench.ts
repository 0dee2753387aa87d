import { reportEveryMs } from '#contracts';
import { packageRoot } from '../../../apps/cli/src/product/package-root.js';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import type { ChangeResult } from '../../../apps/cli/src/sim/sim-change.js';
import { BenchReport } from './bench-report.js';
import { cpuMsPerHost } from './change-cpu.js';
import { record } from './fleet-history.js';
import { type FleetResult, tellFleet, tellSlope } from './fleet-report.js';
import {
  type Bare,
  type FleetRunSize,
  HIT_ALL,
  HIT_SOME,
  type Rounds,
  withFleetRun,
} from './fleet-run.js';
import type { HistoryEntry } from './history-entry.js';
import { commitOf, machineLine } from './machine.js';
import { rounded } from './measurement.js';
import { medianWork, type RedisWork } from './redis-work.js';
import { median, worst } from '../../../apps/cli/src/sim/samples.js';

const IDLE_MS = 15_000;

/** Sizes of a run; all are bounded by the command line. */
export interface FleetBenchOptions {
  /** Of one fleet after the other, in ascending order. */
  readonly nodes: readonly number[];
  readonly rounds: number;
  /** Default 15,000; in a large fleet as long as all takes that is looked at now and then, which is two reports of a host. */
  readonly idleMs?: number;
  readonly json: boolean;
  /** The history that the run is judged by and added to. */
  readonly record?: string;
}

/**
 * `bench fleet`: a change to a fleet of simulated hosts, idle cost, and the return of all after Redis was killed; of
 * several fleets also how these grow with hosts.
 */
export async function fleetBench(options: FleetBenchOptions, signal: AbortSignal): Promise<void> {
  const machine = await machineLine();
  const report = new BenchReport('fleet', machine, options.json);
  report.note(`measured on: ${machine}`);
  const results: FleetResult[] = [];
  for (const nodes of options.nodes) {
    const size = { nodes, rounds: options.rounds };
    const idleMs = options.idleMs ?? Math.max(IDLE_MS, 2 * reportEveryMs(nodes));
    const result = await measureAll(size, idleMs, report, signal);
    tellFleet(report, result);
    // Not before all that was measured is told.
    if (result.back.missing > 0) throw new CommandFailed('not all hosts came back');
    if (result.back.unchanged > 0)
      throw new CommandFailed('not all hosts have what was changed while Redis was away');
    if (options.record !== undefined)
      await record(options.record, await entryOf(nodes, machine, result.all, result.bare));
    results.push(result);
  }
  if (results.length > 1) tellSlope(report, results);
}

/** What the history keeps of a run, by as little as that takes: changes that hit all, and the bare publish. */
export async function measureChange(
  size: FleetRunSize,
  note: (text: string) => void,
  signal: AbortSignal,
): Promise<HistoryEntry> {
  const machine = await machineLine();
  return withFleetRun(size, { note, signal }, async (run) => {
    await run.come();
    const all = await run.changes(HIT_ALL);
    return entryOf(size.nodes, machine, all, await run.bare());
  });
}

function measureAll(
  size: FleetRunSize,
  idleMs: number,
  report: BenchReport,
  signal: AbortSignal,
): Promise<FleetResult> {
  const note = (text: string): void => report.note(text);
  return withFleetRun(size, { note, signal }, async (run) => {
    const before = await run.idle(idleMs);
    await run.come();
    const [idle, atRest] = await Promise.all([run.idle(idleMs), run.atRest(idleMs)]);
    const all = await run.changes(HIT_ALL);
    const arrivalsMs = await run.arrivals(HIT_ALL);
    const some: Rounds[] = [];
    for (const hit of HIT_SOME) some.push(await run.changes(hit));
    const quiet = await run.quiet();
    const back = await run.reconnect();
    const { residentKiB } = run;
    const reportBytes = await run.reportBytes();
    const bare = await run.bare();
    const { nodes } = size;
    const rest = { idleMs, before, idle, atRest, quiet };
    return { nodes, ...rest, all, arrivalsMs, some, back, residentKiB, reportBytes, bare };
  });
}

async function entryOf(
  nodes: number,
  machine: string,
  { results, cpuMs, redis }: Rounds,
  bare: Bare,
): Promise<HistoryEntry> {
  const of = (value: (result: ChangeResult) => number): number =>
    rounded(median(results.map(value)));
  const cpu = { change: rounded(cpuMsPerHost(cpuMs, nodes)), publish: rounded(bare.publish.cpuMs) };
  return {
    v: 1,
    at: new Date().toISOString(),
    commit: await commitOf(packageRoot()),
    nodes,
    on: machine,
    baseline: rounded(median(bare.publish.rounds.map(worst))),
    ms: {
      last_delivery: of((each) => each.lastDelivery),
      commit_to_ack_p50: of((each) => each.ackP50),
      commit_to_ack_p99: of((each) => each.ackP99),
      commit_to_ack_last: of((each) => each.lastVerified),
    },
    // A change to a few hosts may take less than the kernel counts.
    ...(cpu.change > 0 && cpu.publish > 0 ? { cpuMs: cpu } : {}),
    redis: { change: roundedWork(medianWork(redis)), publish: roundedWork(bare.publish.redis) },
    shareOfLastPercent: Number(
      median(results.map((each) => 1 - each.ackP99 / each.lastVerified)).toFixed(3),
    ),
  };
}

function roundedWork({ commands, bytes }: RedisWork): RedisWork {
  return { commands: rounded(commands), bytes: rounded(bytes) };
}
