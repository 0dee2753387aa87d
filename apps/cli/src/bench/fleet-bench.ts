import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kill } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import type { NodeView, Page } from '#contracts';
import { ControlPlane } from '../client/control-plane.js';
import { PrivateControlPlane } from '../embedded/private-control-plane.js';
import { CommandFailed } from '../errors.js';
import { packageRoot } from '../package-root.js';
import { processesFor } from '../sim/descriptors.js';
import { applyChange, type ChangeResult } from '../sim/sim-change.js';
import { COME_WITHIN_MS, monotonicMs, SimFleet } from '../sim/sim-fleet.js';
import { BenchReport } from './bench-report.js';
import { cpuMeasurements, withCpu, type CpuShares, type CpuTimes } from './change-cpu.js';
import { record } from './fleet-history.js';
import type { HistoryEntry } from './history-entry.js';
import { commitOf, machineLine } from './machine.js';
import { type Measurement, rounded } from './measurement.js';
import { cpuMsOf, useOf, type ProcessUse } from './process-use.js';
import { RedisPublish } from './redis-publish.js';
import { restMeanwhile, type Waits } from './rest-meanwhile.js';
import { median, percentile, worst } from './samples.js';

/** Sizes of a run; all are bounded by the command line. */
export interface FleetBenchOptions {
  readonly nodes: number;
  readonly rounds: number;
  readonly idleMs: number;
  readonly json: boolean;
  /** The history that the run is judged by and added to. */
  readonly record?: string;
}

/** Which hosts a change hits, by the label that they have for it. */
interface Hit {
  readonly name: string;
  readonly key: string;
  readonly isOne: (n: number) => boolean;
}

const HITS: readonly Hit[] = [
  { name: 'all', key: 'bench-all', isOne: () => true },
  { name: '1 %', key: 'bench-part', isOne: (n) => n % 100 === 0 },
  { name: 'one host', key: 'bench-one', isOne: (n) => n === 0 },
];
const ROUND_WITHIN_MS = 120_000;
const BACK_WITHIN_MS = 180_000;
/** Hosts confirm a change within four seconds after it, those of a larger fleet within twenty, as far as cores go. */
const PAUSE_MS = 5_000;
const LARGE = 500;
const LONG_PAUSE_MS = 25_000;
const PAUSE_MS_A_HOST = 4;
/** In a larger fleet statements of hosts follow the journal for a time after the last of them enrolled. */
const SETTLE_MS = 90_000;
/** How long an operator asks while nothing happens. */
const REST_MS = 5_000;

/** `bench fleet`: a change to a fleet of simulated hosts, idle cost, and the return of all after Redis was killed. */
export async function fleetBench(options: FleetBenchOptions, signal: AbortSignal): Promise<void> {
  const machine = await machineLine();
  const report = new BenchReport('fleet', machine, options.json);
  report.note(`measured on: ${machine}`);
  const folder = await mkdtemp(join(tmpdir(), 'hostward-bench-'));
  const own = new PrivateControlPlane(folder);
  try {
    const { children, caFingerprint } = await own.up();
    const controlPlane = new ControlPlane(await own.context());
    const pids = [children['control plane'] ?? 0, children['redis'] ?? 0];
    const before = await useOf(pids, options.idleMs, signal);
    const fleet = await SimFleet.start(controlPlane, {
      labels: Array.from({ length: options.nodes }, (_, n) => labelsOf(n)),
      prefix: 'bench',
      processes: await processesFor(options.nodes),
      caFingerprint,
      stateDir: join(folder, 'hosts'),
      failureProbability: 0,
      latencyMs: 0,
      slowShare: 0,
      slowMs: 0,
      stuckShare: 0,
      clockSkewMs: 0,
    });
    const shares = {
      controlPlane: pids.slice(0, 1),
      redis: [...pids.slice(1), children['redis-events'] ?? 0],
      simulation: fleet.pids,
    };
    const bench = new FleetBench(report, options, { fleet, controlPlane, shares, signal });
    try {
      await bench.come();
      const idle = await useOf(pids, options.idleMs, signal);
      const hits = await bench.changes();
      const quiet = await restMeanwhile(controlPlane, () => delay(REST_MS, undefined, { signal }));
      const storm = await restMeanwhile(controlPlane, () => bench.reconnect(own));
      const nodeId = await someNodeId(controlPlane);
      const residentKiB = fleet.use.residentBytes / 1_024 / options.nodes;
      await fleet.stop();
      const bare = await publishes(own.dataDir, options, nodeId);
      bench.tell(hits, bare);
      bench.tellCosts({ before, idle, residentKiB });
      bench.tellReturn(storm.result, { quiet: quiet.waits, storm: storm.waits });
      // Not before all that was measured is told.
      if (storm.result.missing > 0) throw new CommandFailed('not all hosts came back');
      if (options.record !== undefined)
        await record(
          options.record,
          await entryOf(options, { hits: hits[0]?.results ?? [], bare, machine }),
        );
    } finally {
      await fleet.stop();
      controlPlane.close();
    }
  } finally {
    await own.down();
    await rm(folder, { recursive: true, force: true });
  }
}

interface ToRecord {
  /** Of the changes that hit all. */
  readonly hits: readonly ChangeResult[];
  readonly bare: readonly number[];
  readonly machine: string;
}

async function entryOf(
  { nodes }: FleetBenchOptions,
  { hits, bare, machine }: ToRecord,
): Promise<HistoryEntry> {
  const of = (value: (result: ChangeResult) => number): number => rounded(median(hits.map(value)));
  return {
    v: 1,
    at: new Date().toISOString(),
    commit: await commitOf(packageRoot()),
    nodes,
    on: machine,
    baseline: rounded(median(bare)),
    ms: {
      last_delivery: of((each) => each.lastDelivery),
      commit_to_ack_p50: of((each) => each.ackP50),
      commit_to_ack_p99: of((each) => each.ackP99),
      commit_to_ack_last: of((each) => each.lastVerified),
    },
    shareOfLastPercent: Number(
      median(hits.map((each) => 1 - each.ackP99 / each.lastVerified)).toFixed(3),
    ),
  };
}

function labelsOf(n: number): Record<string, string> {
  return Object.fromEntries(HITS.filter(({ isOne }) => isOne(n)).map(({ key }) => [key, 'yes']));
}

interface Costs {
  readonly before: readonly ProcessUse[];
  readonly idle: readonly ProcessUse[];
  readonly residentKiB: number;
}

interface Parts {
  readonly fleet: SimFleet;
  readonly controlPlane: ControlPlane;
  readonly shares: CpuShares;
  readonly signal: AbortSignal;
}

/** The rounds of one hit. */
interface Rounds {
  readonly results: readonly ChangeResult[];
  readonly cpuMs: readonly CpuTimes[];
}

/** Of all hosts after Redis was killed; `missing` did not come back in time. */
interface Return {
  readonly ms: number;
  readonly missing: number;
  readonly cpuMs: CpuTimes;
}

class FleetBench {
  constructor(
    private readonly report: BenchReport,
    private readonly options: FleetBenchOptions,
    private readonly parts: Parts,
  ) {}

  async come(): Promise<void> {
    const { fleet, signal } = this.parts;
    const { nodes } = this.options;
    const started = monotonicMs();
    const came = await fleet.reached('reported', {}, { withinMs: COME_WITHIN_MS, signal });
    if (came.size < nodes)
      throw new CommandFailed(
        `${came.size} of ${nodes} hosts came: ${fleet.troubles[0] ?? 'no reason was told'}`,
      );
    const seconds = (monotonicMs() - started) / 1_000;
    this.report.note(`${nodes} hosts enrolled and reported within ${seconds.toFixed(1)} s`);
    if (nodes > LARGE) await delay(SETTLE_MS, undefined, { signal });
    else await this.#pause();
  }

  async #pause(): Promise<void> {
    const { nodes } = this.options;
    const ms = nodes > LARGE ? Math.max(LONG_PAUSE_MS, nodes * PAUSE_MS_A_HOST) : PAUSE_MS;
    await delay(ms, undefined, { signal: this.parts.signal });
  }

  /** Results of each hit in the order of `HITS`; the first round warms up. */
  async changes(): Promise<readonly Rounds[]> {
    const { fleet, controlPlane, shares, signal } = this.parts;
    const all: Rounds[] = [];
    for (const { key, isOne } of HITS) {
      const results: ChangeResult[] = [];
      const times: CpuTimes[] = [];
      for (let number = 0; number <= this.options.rounds; number += 1) {
        const label = [key, 'yes'] as const;
        const change = { policy: key, number, label, isOne, withinMs: ROUND_WITHIN_MS };
        const { result, cpuMs } = await withCpu(shares, () =>
          applyChange(fleet, controlPlane, change, signal),
        );
        if (result.missing > 0)
          throw new CommandFailed(
            `${result.missing} hosts did not report a change; conditions: ${fleet.conditions || 'none'}`,
          );
        if (number > 0) results.push(result);
        if (number > 0) times.push(cpuMs);
        await this.#pause();
      }
      all.push({ results, cpuMs: times });
    }
    return all;
  }

  /** From the kill of Redis until each host hears nudges again and Redis has its report, and what it costs. */
  async reconnect(own: PrivateControlPlane): Promise<Return> {
    const pids = async () => (await own.record()).children;
    const { redis = 0, 'redis-events': events = 0 } = await pids();
    const shares = { ...this.parts.shares, redis: [events] };
    const { result, cpuMs } = await withCpu(shares, () => this.#comeBack(redis));
    // All that the new one has done was for the return.
    const anew = await cpuMsOf([(await pids())['redis'] ?? 0]);
    return { ...result, cpuMs: { ...cpuMs, redis: cpuMs.redis + anew } };
  }

  async #comeBack(redisPid: number): Promise<Pick<Return, 'ms' | 'missing'>> {
    const { fleet, signal } = this.parts;
    const since = monotonicMs();
    kill(redisPid, 'SIGKILL');
    const back = await fleet.reached('reported', { since }, { withinMs: BACK_WITHIN_MS, signal });
    const missing = this.options.nodes - back.size;
    if (missing > 0)
      this.report.note(`${missing} hosts did not come back: ${fleet.conditions || 'no condition'}`);
    return { ms: Math.max(since, ...back.values()) - since, missing };
  }

  tell(hits: readonly Rounds[], bare: readonly number[]): void {
    const { nodes } = this.options;
    for (const [at, { name }] of HITS.entries()) {
      const { results, cpuMs } = hits[at] ?? { results: [], cpuMs: [] };
      const of = (value: (result: ChangeResult) => number): number => median(results.map(value));
      const last = at === 0 ? median(bare) : undefined;
      this.report.case(
        at === 0 ? `nodes=${nodes}` : `nodes=${nodes}, ${name}`,
        `REST apply of a change that hits ${name} (${results[0]?.hosts ?? 0} simulated hosts), median of rounds:\n` +
          'in force on the last; Redis has the report; the control plane shows the last; ' +
          'baseline: bare Redis publish to as many subscribers, the last',
        [
          timed(
            'last_delivery',
            of((each) => each.lastDelivery),
            last,
          ),
          timed(
            'commit_to_ack_p50',
            of((each) => each.ackP50),
          ),
          timed(
            'commit_to_ack_p99',
            of((each) => each.ackP99),
          ),
          timed(
            'commit_to_ack_last',
            of((each) => each.lastVerified),
          ),
          { metric: 'etcd_writes_per_change', value: writesOf(results), unit: 'writes' },
          ...(at === 0 ? cpuMeasurements(cpuMs, nodes) : []),
        ],
      );
    }
  }

  tellCosts({ before, idle, residentKiB }: Costs): void {
    const { nodes, idleMs } = this.options;
    const [was, is] = [before[0], idle[0]];
    const grownKiB = (((is?.residentMiB ?? 0) - (was?.residentMiB ?? 0)) * 1_024) / nodes;
    this.report.case(
      `nodes=${nodes}, costs`,
      `the control plane over ${idleMs / 1_000} s without any change, baseline: before the first host`,
      [
        {
          metric: 'idle_cpu',
          value: is?.cpuPercent ?? 0,
          unit: '% of a core',
          baseline: was?.cpuPercent,
        },
        { metric: 'rss_per_host', value: grownKiB, unit: 'KiB' },
        { metric: 'rss_per_simulated_host', value: residentKiB, unit: 'KiB' },
      ],
    );
  }

  tellReturn(
    { ms, missing, cpuMs }: Return,
    waits: { readonly quiet: Waits; readonly storm: Waits },
  ): void {
    const p99 = ({ ms }: Waits): number => percentile(ms, 99);
    this.report.case(
      `nodes=${this.options.nodes}, return`,
      'all hosts after Redis was killed, and REST (a page of hosts, one request at a time) meanwhile;\n' +
        'baseline: the same request while nothing happens',
      [
        timed('reconnect_all', ms),
        { metric: 'not_back', value: missing, unit: 'hosts' },
        ...cpuMeasurements([cpuMs], this.options.nodes),
        timed('rest_p99', p99(waits.storm), p99(waits.quiet)),
        timed('rest_worst', worst(waits.storm.ms), worst(waits.quiet.ms)),
        { metric: 'rest_refused', value: waits.storm.refused, unit: 'answers' },
      ],
    );
  }
}

/** Revisions of etcd from one change to the next, whoever made them; 0 of fewer than two changes. */
function writesOf(results: readonly ChangeResult[]): number {
  const [first, last] = [results[0], results.at(-1)];
  if (first === undefined || last === undefined || results.length < 2) return 0;
  return Number(BigInt(last.revision) - BigInt(first.revision)) / (results.length - 1);
}

/** The last arrival of each round. */
async function publishes(
  dataDir: string,
  { nodes, rounds }: FleetBenchOptions,
  nodeId: string,
): Promise<readonly number[]> {
  const publish = await RedisPublish.connect(dataDir, nodes, nodeId);
  try {
    const lasts: number[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      const last = worst(await publish.round());
      if (round > 0) lasts.push(last);
    }
    return lasts;
  } finally {
    publish.close();
  }
}

async function someNodeId(controlPlane: ControlPlane): Promise<string> {
  const { items } = await controlPlane.call<Page<NodeView>>('/v1/nodes', { query: { limit: '1' } });
  return items[0]?.nodeId ?? '';
}

function timed(metric: string, value: number, baseline?: number): Measurement {
  return { metric, value, unit: 'ms', ...(baseline === undefined ? {} : { baseline }) };
}
