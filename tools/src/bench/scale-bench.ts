import { renderTable, type Column } from '../../../apps/cli/src/output/table.js';
import { BenchReport } from './bench-report.js';
import { machineLine } from './machine.js';
import { rounded } from './measurement.js';
import { COSTS } from './scale-constants.js';
import { costOf, type Day, dayOf, type Prices } from './scale-day.js';
import {
  type ChangeTimes,
  changeOf,
  type ReturnTimes,
  returnOf,
  type ScaleCell,
} from './scale-model.js';

/** Sizes of a run; bounded by the command line. */
export interface ScaleBenchOptions extends Prices {
  readonly hosts: readonly number[];
  readonly hostsPerRedis: number;
  readonly controlPlanes: number;
  readonly seed: number;
  readonly json: boolean;
}

interface Row {
  readonly cell: ScaleCell;
  readonly change: ChangeTimes;
  readonly back: ReturnTimes;
  readonly day: Day;
  /** In the currency of the prices. */
  readonly cost: number | undefined;
}

/**
 * `bench scale`: fleets of any size, by a simulation of queues with what was measured of one host, and what a day of theirs
 * costs; nothing runs.
 */
export async function scaleBench(options: ScaleBenchOptions, signal: AbortSignal): Promise<void> {
  const report = new BenchReport('scale', `simulated on ${await machineLine()}`, options.json);
  report.note(`simulated, nothing of it is measured: queues of control planes, Redis and hosts
delivered: in force on the last host; ack: a control plane has read the report; all back: from when Redis
serves again, empty, after minutes without it; tries: connections begun for each that was made
a day: one without any change, of 3,000 hosts and more; what hosts add to control planes and Redis, and
send; cost: of what --core-hour, --gib-hour and --gb give a price, in their currency
`);
  const rows: Row[] = [];
  for (const hosts of options.hosts) {
    signal.throwIfAborted();
    const redis = Math.ceil(hosts / options.hostsPerRedis);
    const cell = { hosts, redis, controlPlanes: options.controlPlanes };
    const change = changeOf(cell, COSTS, options.seed);
    const back = returnOf(cell, COSTS, options.seed);
    const day = dayOf(cell);
    const row = { cell, change, back, day, cost: costOf(day, options) };
    rows.push(row);
    if (options.json) told(report, row);
  }
  if (options.json) return;
  console.log(renderTable(COLUMNS, rows));
  console.log(`\n${renderTable(A_DAY, rows)}`);
}

function told(report: BenchReport, { cell, change, back, day, cost }: Row): void {
  const name = `nodes=${cell.hosts}, redis=${cell.redis}, control planes=${cell.controlPlanes}`;
  report.case(name, '', [
    { metric: 'last_delivery', value: change.lastDelivery, unit: 'ms' },
    { metric: 'commit_to_ack_p50', value: change.ackP50, unit: 'ms' },
    { metric: 'commit_to_ack_p99', value: change.ackP99, unit: 'ms' },
    { metric: 'commit_to_ack_last', value: change.ackLast, unit: 'ms' },
    { metric: 'reconnect_p99', value: back.p99, unit: 'ms' },
    { metric: 'reconnect_all', value: back.last, unit: 'ms' },
    { metric: 'tries_for_each', value: back.tries, unit: 'x' },
    { metric: 'core_hours_a_day', value: day.coreHours, unit: 'core-hours' },
    { metric: 'gib_hours_a_day', value: day.gibHours, unit: 'GiB-hours' },
    { metric: 'gb_a_day', value: day.gigabytes, unit: 'GB' },
    ...(cost === undefined
      ? []
      : [{ metric: 'cost_a_day', value: cost, unit: 'of the currency' } as const]),
  ]);
}

function seconds(ms: number): string {
  return ms === Infinity ? 'never' : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 0)} s`;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'HOSTS', of: ({ cell }) => String(cell.hosts) },
  { title: 'REDIS', of: ({ cell }) => String(cell.redis) },
  { title: 'DELIVERED', of: ({ change }) => seconds(change.lastDelivery) },
  { title: 'ACK P50', of: ({ change }) => seconds(change.ackP50) },
  { title: 'ACK P99', of: ({ change }) => seconds(change.ackP99) },
  { title: 'ACK LAST', of: ({ change }) => seconds(change.ackLast) },
  { title: 'ALL BACK', of: ({ back }) => seconds(back.last) },
  { title: 'TRIES', of: ({ back }) => back.tries.toFixed(1) },
];

const A_DAY: readonly Column<Row>[] = [
  { title: 'HOSTS', of: ({ cell }) => String(cell.hosts) },
  { title: 'CORE-HOURS A DAY', of: ({ day }) => String(rounded(day.coreHours)) },
  { title: 'GIB-HOURS', of: ({ day }) => String(rounded(day.gibHours)) },
  { title: 'GB', of: ({ day }) => String(rounded(day.gigabytes)) },
  { title: 'COST', of: ({ cost }) => (cost === undefined ? '-' : String(rounded(cost))) },
];
