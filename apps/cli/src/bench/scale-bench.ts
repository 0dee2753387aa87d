import { renderTable, type Column } from '../output/table.js';
import { BenchReport } from './bench-report.js';
import { machineLine } from './machine.js';
import {
  type ChangeTimes,
  changeOf,
  type HostCosts,
  type ReturnTimes,
  returnOf,
  type ScaleCell,
} from './scale-model.js';

/** Sizes of a run; bounded by the command line. */
export interface ScaleBenchOptions {
  readonly hosts: readonly number[];
  readonly hostsPerRedis: number;
  readonly controlPlanes: number;
  readonly seed: number;
  readonly json: boolean;
}

/** What our own benches measured (docs/scale.md says which, and on what). */
const MEASURED: HostCosts = {
  write: 0.0128,
  redisWrite: 0.052,
  redisReport: 0.147,
  report: 0.199,
  host: 37,
  connect: 0.67,
  user: 0.089,
};

interface Row {
  readonly cell: ScaleCell;
  readonly change: ChangeTimes;
  readonly back: ReturnTimes;
}

/** `bench scale`: fleets of any size, by a simulation of queues with what was measured of one host; nothing runs. */
export async function scaleBench(options: ScaleBenchOptions, signal: AbortSignal): Promise<void> {
  const report = new BenchReport('scale', `simulated on ${await machineLine()}`, options.json);
  report.note(`simulated, nothing of it is measured: queues of control planes, Redis and hosts
delivered: in force on the last host; ack: a control plane has read the report; all back: from when Redis
serves again, empty, after minutes without it; tries: connections begun for each that was made
`);
  const rows: Row[] = [];
  for (const hosts of options.hosts) {
    signal.throwIfAborted();
    const redis = Math.ceil(hosts / options.hostsPerRedis);
    const cell = { hosts, redis, controlPlanes: options.controlPlanes };
    const change = changeOf(cell, MEASURED, options.seed);
    const back = returnOf(cell, MEASURED, options.seed);
    rows.push({ cell, change, back });
    if (options.json) told(report, { cell, change, back });
  }
  if (!options.json) console.log(renderTable(COLUMNS, rows));
}

function told(report: BenchReport, { cell, change, back }: Row): void {
  const name = `nodes=${cell.hosts}, redis=${cell.redis}, control planes=${cell.controlPlanes}`;
  report.case(name, '', [
    { metric: 'last_delivery', value: change.lastDelivery, unit: 'ms' },
    { metric: 'commit_to_ack_p50', value: change.ackP50, unit: 'ms' },
    { metric: 'commit_to_ack_p99', value: change.ackP99, unit: 'ms' },
    { metric: 'commit_to_ack_last', value: change.ackLast, unit: 'ms' },
    { metric: 'reconnect_p99', value: back.p99, unit: 'ms' },
    { metric: 'reconnect_all', value: back.last, unit: 'ms' },
    { metric: 'tries_for_each', value: back.tries, unit: 'x' },
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
