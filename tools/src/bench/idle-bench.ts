import { spawn, type ChildProcess } from 'node:child_process';
import { execPath } from 'node:process';
import type { BenchFleet } from './bench-fleet.js';
import type { BenchReport } from './bench-report.js';
import type { Measurement } from './measurement.js';
import { useOf, type ProcessUse } from './process-use.js';
import { median } from '../../../apps/cli/src/sim/samples.js';

const AIM_PERCENT = 2;
const SERVICES = ['control plane', 'etcd', 'redis'] as const;
/** KVMService, measured elsewhere: percent of a core while nothing happens. */
const KVMSERVICE_IDLE = { 25: 98, 50: 184 } as const;

type ServiceUse = Readonly<Record<(typeof SERVICES)[number], ProcessUse>>;

/** What control plane, etcd and Redis use while nothing happens. */
export async function servicesIdle(
  fleet: BenchFleet,
  windowMs: number,
  signal: AbortSignal,
): Promise<ServiceUse> {
  return servicesOf(await useOf(servicePids(fleet), windowMs, signal));
}

/** Idle CPU and memory with all agents; `without` is what the services used before the first one came. */
export async function idleBench(
  report: BenchReport,
  fleet: BenchFleet,
  options: {
    readonly without: ServiceUse;
    readonly windowMs: number;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const bare = bareNode();
  try {
    const pids = [...servicePids(fleet), bare.pid ?? 0, ...fleet.agentPids];
    const uses = await useOf(pids, options.windowMs, options.signal);
    const services = servicesOf(uses);
    const [node, ...agents] = uses.slice(SERVICES.length);
    report.case(
      'idle',
      `CPU over ${options.windowMs / 1_000} s without any change, and resident memory, with ${fleet.nodes.length} agents;\n` +
        'baseline: the same process before the first agent; of an agent: a Node process that does nothing',
      [
        ...SERVICES.flatMap((name) => used(name, services[name], options.without[name])),
        ...used('one agent', typical(agents), node ?? NOTHING),
        ...kvmService(services['control plane'].cpuPercent),
      ],
    );
    report.aim(
      'control plane idle',
      services['control plane'].cpuPercent,
      AIM_PERCENT,
      '% of a core',
    );
  } finally {
    bare.kill('SIGKILL');
  }
}

const NOTHING: ProcessUse = { cpuPercent: 0, residentMiB: 0 };

function used(name: string, use: ProcessUse, than: ProcessUse): readonly Measurement[] {
  const [cpu, memory] = [`${name}, CPU`, `${name}, RSS`];
  return [
    { metric: cpu, value: use.cpuPercent, unit: '% of a core', baseline: than.cpuPercent },
    { metric: memory, value: use.residentMiB, unit: 'MiB', baseline: than.residentMiB },
  ];
}

/** Reference lines, with what was measured of ours as their baseline. */
function kvmService(baseline: number): readonly Measurement[] {
  return Object.entries(KVMSERVICE_IDLE).map(([agents, value]) => ({
    metric: `KVMService, ${agents} agents (not measured here)`,
    value,
    unit: '% of a core',
    baseline,
  }));
}

/** Mean CPU, since one agent's few ticks in a short while say little, and median memory. */
function typical(agents: readonly ProcessUse[]): ProcessUse {
  const cpu = agents.reduce((sum, { cpuPercent }) => sum + cpuPercent, 0);
  return {
    cpuPercent: agents.length === 0 ? 0 : cpu / agents.length,
    residentMiB: median(agents.map(({ residentMiB }) => residentMiB)),
  };
}

function servicePids(fleet: BenchFleet): readonly number[] {
  return SERVICES.map((name) => fleet.servicePids[name] ?? 0);
}

function servicesOf([controlPlane, etcd, redis]: readonly ProcessUse[]): ServiceUse {
  return {
    'control plane': controlPlane ?? NOTHING,
    etcd: etcd ?? NOTHING,
    redis: redis ?? NOTHING,
  };
}

function bareNode(): ChildProcess {
  return spawn(execPath, ['-e', 'setInterval(() => {}, 1e8)'], { stdio: 'ignore' });
}
