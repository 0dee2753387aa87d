import type { ChangeResult } from '../../../apps/cli/src/sim/sim-change.js';
import type { BenchReport } from './bench-report.js';
import { cpuMeasurements, type CpuTimes } from './change-cpu.js';
import type { Bare, Exchange, Idle, Return, Rounds } from './fleet-run.js';
import { NOT_WORSE_THAN_LINEAR, slopeOf } from './fleet-slope.js';
import type { Measurement } from './measurement.js';
import { workMeasurements, type ReportBytes } from './redis-work.js';
import type { Waits } from './rest-meanwhile.js';
import { median, percentile, worst } from '../../../apps/cli/src/sim/samples.js';

/** What was measured of one fleet. */
export interface FleetResult {
  readonly nodes: number;
  readonly idleMs: number;
  /** Before the first host, and with all. */
  readonly before: Idle;
  readonly idle: Idle;
  /** Of everything that takes part, over `idleMs`. */
  readonly atRest: CpuTimes;
  readonly all: Rounds;
  /** Until the last host had a change in hand, where hosts take it up only then; of each round. */
  readonly arrivalsMs: readonly number[];
  readonly some: readonly Rounds[];
  /** REST while nothing happens. */
  readonly quiet: Waits;
  readonly back: Return & { readonly rest: Waits };
  /** Of the simulation, a host. */
  readonly residentKiB: number;
  readonly reportBytes: ReportBytes;
  readonly bare: Bare;
}

const RATIO_AIM = 5;
const P99_AIM_MS = 1_500;
const LAST_AIM_MS = 2_000;
const RETURN_AIM_MS = 30_000;
const IDLE_AIM_PERCENT = 5;
const REST_AIM_MS = 500;

/** One case for the whole of a fleet, which has what is aimed at, and one for each of what else was done with it. */
export function tellFleet(report: BenchReport, result: FleetResult): void {
  const { nodes, idleMs, all, some, back, quiet } = result;
  report.case(
    `nodes=${nodes}`,
    `${changeOf(all)};\nlast_arrival: the last has it in hand, in rounds of their own in which hosts take it up only then;\nbaselines: bare Redis publish to as many subscribers, the last; of acks, one that each of them answers;\n` +
      `control plane and both Redis over ${idleMs / 1_000} s without any change, baseline: before the first host;\n` +
      'all hosts back after Redis was killed, baseline: as many subscribers connect',
    [
      timed('last_arrival', median(result.arrivalsMs), middle(result.bare.publish, 100)),
      ...timesOf(all.results, result.bare),
      timed('reconnect_all', worst(back.waitsMs), result.bare.connectMs),
      ...costsOf(result),
      ...cpuMeasurements(all.cpuMs, nodes),
      { metric: 'cpu_per_bare_publish', value: result.bare.publish.cpuMs, unit: 'ms' },
      { metric: 'cpu_per_bare_answer', value: result.bare.answer.cpuMs, unit: 'ms' },
      ...workMeasurements(all.redis, result.bare.publish.redis),
    ],
  );
  report.case(
    `nodes=${nodes}, confirmation`,
    `what hosts do in the ${all.pauseMs / 1_000} s after they have reported a change, without what they do at rest;\n` +
      "a host's report and signed status in Redis",
    [
      ...cpuMeasurements(confirmationsOf(result), nodes),
      { metric: 'report_bytes', value: result.reportBytes.report, unit: 'bytes' },
      { metric: 'signed_status_bytes', value: result.reportBytes.signedStatus, unit: 'bytes' },
    ],
  );
  for (const each of some)
    report.case(`nodes=${nodes}, ${each.hit.name}`, changeOf(each), timesOf(each.results));
  report.case(
    `nodes=${nodes}, return`,
    'all hosts after Redis was killed, and REST (a page of hosts, one request at a time) meanwhile;\n' +
      'baseline: the same request while nothing happens',
    returnOf(nodes, back, quiet),
  );
  tellAims(report, result);
}

/** How times grow with hosts, of fleets in ascending order. */
export function tellSlope(report: BenchReport, results: readonly FleetResult[]): void {
  const slopes = Object.entries(SLOPES).map(([metric, msOf]) => ({
    metric,
    ...slopeOf(results.map((result) => ({ nodes: result.nodes, ms: msOf(result) }))),
  }));
  report.case(
    'slope',
    `${results.map(({ nodes }) => nodes).join(', ')} hosts; for each 1,000 of the largest fleet, baseline: of the smallest;\n` +
      'by which power of hosts it grows (1 is linear), a line through the logarithms of all',
    slopes.flatMap(({ metric, smallest, largest, exponent }): Measurement[] => [
      { metric, value: largest, unit: 'ms for 1,000 hosts', baseline: smallest },
      { metric: `${metric}_exponent`, value: exponent, unit: 'power of hosts' },
    ]),
  );
  for (const { metric, exponent } of slopes) report.linear(metric, exponent, NOT_WORSE_THAN_LINEAR);
}

const SLOPES: Readonly<Record<string, (result: FleetResult) => number>> = {
  last_delivery: ({ all }) => median(all.results.map(({ lastDelivery }) => lastDelivery)),
  commit_to_ack_p99: ({ all }) => median(all.results.map(({ ackP99 }) => ackP99)),
  reconnect_all: ({ back }) => worst(back.waitsMs),
};

function changeOf({ hit, results }: Rounds): string {
  return (
    `REST apply of a change that hits ${hit.name} (${results[0]?.hosts ?? 0} simulated hosts), median of rounds:\n` +
    'in force on the last; Redis has the report; the control plane shows the last'
  );
}

function timesOf(results: readonly ChangeResult[], bare?: Bare): readonly Measurement[] {
  const of = (value: (result: ChangeResult) => number): number => median(results.map(value));
  return [
    timed(
      'last_delivery',
      of((each) => each.lastDelivery),
      bare && middle(bare.publish, 100),
    ),
    timed(
      'commit_to_ack_p50',
      of((each) => each.ackP50),
      bare && middle(bare.answer, 50),
    ),
    timed(
      'commit_to_ack_p99',
      of((each) => each.ackP99),
      bare && middle(bare.answer, 99),
    ),
    timed(
      'commit_to_ack_last',
      of((each) => each.lastVerified),
      bare && middle(bare.answer, 100),
    ),
    { metric: 'etcd_writes_per_change', value: writesOf(results), unit: 'writes' },
  ];
}

/** The percentile of each round, of these the median. */
function middle({ rounds }: Exchange, percent: number): number {
  return median(rounds.map((times) => percentile(times, percent)));
}

function confirmationsOf({ all, atRest, idleMs }: FleetResult): readonly CpuTimes[] {
  const rest = (ms: number): number => (ms * all.pauseMs) / idleMs;
  return all.afterMs.map(({ controlPlane, redis, simulation }) => ({
    controlPlane: controlPlane - rest(atRest.controlPlane),
    redis: redis - rest(atRest.redis),
    simulation: simulation - rest(atRest.simulation),
  }));
}

function costsOf({ nodes, before, idle, residentKiB }: FleetResult): readonly Measurement[] {
  const cpu = (of: keyof Idle) =>
    ({
      value: idle[of].cpuPercent,
      unit: '% of a core',
      baseline: before[of].cpuPercent,
    }) as const;
  const grownKiB = (of: keyof Idle): number =>
    ((idle[of].residentMiB - before[of].residentMiB) * 1_024) / nodes;
  return [
    { metric: 'idle_cpu', ...cpu('controlPlane') },
    { metric: 'idle_cpu_redis', ...cpu('redis') },
    { metric: 'rss_per_host', value: grownKiB('controlPlane'), unit: 'KiB' },
    { metric: 'rss_per_host_redis', value: grownKiB('redis'), unit: 'KiB' },
    { metric: 'rss_per_simulated_host', value: residentKiB, unit: 'KiB' },
  ];
}

function returnOf(nodes: number, back: FleetResult['back'], quiet: Waits): readonly Measurement[] {
  const p99 = ({ ms }: Waits): number => percentile(ms, 99);
  return [
    timed('host_back_p50', median(back.waitsMs)),
    timed('host_back_p99', percentile(back.waitsMs, 99)),
    timed('host_back_last', worst(back.waitsMs)),
    { metric: 'not_back', value: back.missing, unit: 'hosts' },
    { metric: 'missed_change', value: back.unchanged, unit: 'hosts' },
    ...cpuMeasurements([back.cpuMs], nodes),
    timed('rest_p99', p99(back.rest), p99(quiet)),
    timed('rest_worst', worst(back.rest.ms), worst(quiet.ms)),
    { metric: 'rest_refused', value: back.rest.refused, unit: 'answers' },
  ];
}

function tellAims(report: BenchReport, result: FleetResult): void {
  const { all, arrivalsMs, bare, idle, back } = result;
  const arrival = median(arrivalsMs);
  report.ratio('last_arrival over bare Redis', arrival / middle(bare.publish, 100), RATIO_AIM);
  const of = (value: (result: ChangeResult) => number): number => median(all.results.map(value));
  const last = of((each) => each.lastDelivery);
  report.ratio('last_delivery over bare Redis', last / middle(bare.publish, 100), RATIO_AIM);
  report.aim('last_delivery', last, LAST_AIM_MS, 'ms');
  const p99 = of((each) => each.ackP99);
  report.ratio('commit_to_ack_p99 over bare answers', p99 / middle(bare.answer, 99), RATIO_AIM);
  report.aim('commit_to_ack_p99', p99, P99_AIM_MS, 'ms');
  const shown = of((each) => each.lastVerified);
  report.aim('commit_to_ack_last', shown, LAST_AIM_MS, 'ms');
  report.aim('reconnect_all', worst(back.waitsMs), RETURN_AIM_MS, 'ms');
  report.aim('hosts not back', back.missing, 0, 'hosts');
  report.aim('hosts without the change made meanwhile', back.unchanged, 0, 'hosts');
  report.aim('idle_cpu', idle.controlPlane.cpuPercent, IDLE_AIM_PERCENT, '% of a core');
  const meanwhile = percentile(back.rest.ms, 99);
  report.aim('rest_p99 during the return', meanwhile, REST_AIM_MS, 'ms');
}

/** Revisions of etcd from one change to the next, whoever made them; 0 of fewer than two changes. */
function writesOf(results: readonly ChangeResult[]): number {
  const [first, last] = [results[0], results.at(-1)];
  if (first === undefined || last === undefined || results.length < 2) return 0;
  return Number(BigInt(last.revision) - BigInt(first.revision)) / (results.length - 1);
}

function timed(metric: string, value: number, baseline?: number): Measurement {
  return { metric, value, unit: 'ms', ...(baseline === undefined ? {} : { baseline }) };
}
