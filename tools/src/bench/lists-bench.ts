import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { ControlPlane } from '../../../apps/cli/src/client/control-plane.js';
import { PrivateControlPlane } from '../../../apps/cli/src/embedded/private-control-plane.js';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';
import { counted } from '../../../apps/cli/src/output/counted.js';
import { processesFor } from '../../../apps/cli/src/sim/descriptors.js';
import { COME_WITHIN_MS, SimFleet } from '../../../apps/cli/src/sim/sim-fleet.js';
import { BenchReport } from './bench-report.js';
import { ListsFleet, labelsOf, type FleetSize } from './lists-fleet.js';
import { machineLine } from './machine.js';
import type { Measurement } from './measurement.js';
import { residentMiB } from './process-use.js';
import { median, percentile } from '../../../apps/cli/src/sim/samples.js';

/** Sizes of a run; bounded by the command line. */
export interface ListsBenchOptions extends FleetSize {
  /** Of the hosts: those that are enrolled and report, by `hostward sim`. */
  readonly reporting: number;
  readonly requests: number;
  readonly json: boolean;
}

interface Question {
  readonly what: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
}

const AIM_MS = 200;
/** One GB. */
const MEMORY_AIM_MIB = 954;
/** All that keeps a fleet. */
const PROGRAMS = ['control plane', 'etcd', 'redis', 'redis-events'] as const;
/** The baseline is a fleet of this part. */
const PART = 100;
const WARM_UP = 20;

/**
 * `bench lists`: how long the questions of an operator take on a large fleet, beside the same ones on a hundredth of it.
 * Most hosts are declared and never report; some are simulated and do.
 */
export async function listsBench(options: ListsBenchOptions, signal: AbortSignal): Promise<void> {
  const machine = await machineLine();
  const report = new BenchReport('lists', machine, options.json);
  report.note(`measured on: ${machine}`);
  const folder = await mkdtemp(join(tmpdir(), 'hostward-bench-'));
  const own = new PrivateControlPlane(folder);
  try {
    const { caFingerprint, children } = await own.up();
    const controlPlane = new ControlPlane(await own.context());
    const bench = new ListsBench(report, options, { controlPlane, children, signal });
    try {
      await bench.run(folder, caFingerprint);
    } finally {
      controlPlane.close();
    }
  } finally {
    await own.down();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Parts {
  readonly controlPlane: ControlPlane;
  /** Pids by program name. */
  readonly children: Readonly<Record<string, number>>;
  readonly signal: AbortSignal;
}

/** What was measured of a fleet: milliseconds of each answer, by what was asked, and MiB of each program. */
interface Measured {
  readonly answers: ReadonlyMap<string, readonly number[]>;
  readonly memory: readonly number[];
}

class ListsBench {
  constructor(
    private readonly report: BenchReport,
    private readonly options: ListsBenchOptions,
    private readonly parts: Parts,
  ) {}

  async run(folder: string, caFingerprint: string): Promise<void> {
    const { nodes, policies, reporting } = this.options;
    const small = { nodes: Math.ceil(nodes / PART), policies: Math.ceil(policies / PART) };
    const fleet = new ListsFleet(this.parts.controlPlane, this.parts.signal);
    await fleet.growTo(small);
    const baseline = await this.#measure(small);
    await fleet.growTo({ nodes: nodes - reporting, policies });
    const simulated = await this.#simulate(join(folder, 'hosts'), caFingerprint);
    try {
      const measured = await this.#measure(this.options);
      this.#tell(measured.answers, baseline.answers);
      this.#tellMemory(measured.memory, baseline.memory);
    } finally {
      await simulated.stop();
    }
  }

  async #simulate(stateDir: string, caFingerprint: string): Promise<SimFleet> {
    const { nodes, reporting } = this.options;
    const fleet = await SimFleet.start(this.parts.controlPlane, {
      labels: Array.from({ length: reporting }, (_, n) => labelsOf(nodes - reporting + n)),
      ...{ prefix: 'reporting', stateDir, caFingerprint },
      processes: await processesFor(reporting),
      ...{ failureProbability: 0, latencyMs: 0, clockSkewMs: 0 },
      ...{ slowShare: 0, slowMs: 0, stuckShare: 0, seed: 1 },
    });
    const wait = { withinMs: COME_WITHIN_MS, signal: this.parts.signal };
    const came = await fleet.reached('reported', {}, wait);
    if (came.size === reporting) return fleet;
    await fleet.stop();
    throw new CommandFailed(
      `${came.size} of ${reporting} simulated hosts came: ${fleet.troubles[0] ?? 'no reason was told'}`,
    );
  }

  /** Memory after the answers, which take some too. */
  async #measure(size: FleetSize): Promise<Measured> {
    const answers = await this.#answers(size);
    const pids = PROGRAMS.map((name) => this.parts.children[name] ?? 0);
    return { answers, memory: await Promise.all(pids.map(residentMiB)) };
  }

  /** The first ones, while code is still being compiled, do not count. */
  async #answers(size: FleetSize): Promise<ReadonlyMap<string, readonly number[]>> {
    const questions = questionsOf(size);
    const times = new Map<string, number[]>(questions.map(({ what }) => [what, []]));
    for (let round = -WARM_UP; round < this.options.requests; round += 1) {
      for (const { what, path, query } of questions) {
        this.parts.signal.throwIfAborted();
        const asked = performance.now();
        await this.parts.controlPlane.call(path, { query });
        if (round >= 0) times.get(what)?.push(performance.now() - asked);
      }
    }
    return times;
  }

  #tell(
    answers: ReadonlyMap<string, readonly number[]>,
    baseline: ReadonlyMap<string, readonly number[]>,
  ): void {
    const { nodes, policies, reporting, requests } = this.options;
    const rows: Measurement[] = [...answers].flatMap(([what, times]) => {
      const small = baseline.get(what) ?? [];
      return [
        { metric: `${what}, p50`, value: median(times), unit: 'ms', baseline: median(small) },
        {
          ...{ metric: `${what}, p99`, value: percentile(times, 99), unit: 'ms' as const },
          baseline: percentile(small, 99),
        },
      ];
    });
    this.report.case(
      `nodes=${nodes}, policies=${policies}`,
      `${requests} requests of each over TLS on one connection, one at a time; ${counted(reporting)} of the hosts report;\n` +
        `baseline: the same with 1/${PART} of hosts and policies`,
      rows,
    );
    for (const [what, times] of answers)
      this.report.aim(`${what}, p99`, percentile(times, 99), AIM_MS, 'ms');
  }

  #tellMemory(memory: readonly number[], baseline: readonly number[]): void {
    const { nodes, policies, reporting } = this.options;
    const rows = PROGRAMS.map((name, at): Measurement => {
      const [value, before] = [memory[at] ?? 0, baseline[at] ?? 0];
      return { metric: `${name}, RSS`, value, unit: 'MiB', baseline: before };
    });
    const [all, before] = [sumOf(memory), sumOf(baseline)];
    this.report.case(
      `nodes=${nodes}, policies=${policies}, memory`,
      `resident memory of each, and of all of them; ${counted(reporting)} of the hosts report;\n` +
        `baseline: the same with 1/${PART} of hosts and policies, of which none reports`,
      [...rows, { metric: 'all, RSS', value: all, unit: 'MiB', baseline: before }],
    );
    this.report.aim('memory of all (below 1 GB)', all, MEMORY_AIM_MIB, 'MiB');
  }
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, n) => sum + n, 0);
}

/** What an operator asks; the policy `all` selects every host, each other one a hundredth of them. */
function questionsOf({ nodes }: FleetSize): readonly Question[] {
  const middle = Buffer.from(`host-${String(Math.floor(nodes / 2)).padStart(5, '0')}`);
  const cursor = middle.toString('base64url');
  return [
    { what: 'hosts, 100 in the middle', path: '/v1/nodes', query: { cursor } },
    { what: 'hosts, a page of 1,000', path: '/v1/nodes', query: { limit: '1000' } },
    {
      what: 'hosts by a selector',
      path: '/v1/nodes',
      query: { selector: 'tier in (t0,t1),!gone' },
    },
    { what: 'search: the one host', path: '/v1/nodes', query: { selector: 'serial=0' } },
    { what: 'search: how names begin', path: '/v1/nodes', query: { name: 'host-000*' } },
    { what: 'search: a part of names', path: '/v1/nodes', query: { name: '*00?0' } },
    { what: 'search: a name of none', path: '/v1/nodes', query: { name: '*none*' } },
    { what: 'search: policies by a part', path: '/v1/policies', query: { name: '*y-?00?0' } },
    { what: 'policies, 100', path: '/v1/policies' },
    { what: 'policies, a page of 1,000', path: '/v1/policies', query: { limit: '1000' } },
    { what: 'status, all hosts', path: '/v1/policies/all/status' },
    { what: 'status, 1 % of hosts', path: '/v1/policies/policy-00000/status' },
    { what: 'hosts in a state', path: '/v1/policies/all/nodes', query: { state: 'failed' } },
    { what: 'status of a host', path: '/v1/nodes/host-00000/status' },
  ];
}
