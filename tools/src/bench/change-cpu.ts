import type { Measurement } from './measurement.js';
import { cpuMsOf } from './process-use.js';
import { median } from '../../../apps/cli/src/sim/samples.js';

/** Whose CPU time a change takes, with the pids of each. */
export interface CpuShares {
  readonly controlPlane: readonly number[];
  readonly redis: readonly number[];
  readonly simulation: readonly number[];
}

/** CPU time in ms, by whose it is. */
export type CpuTimes = Readonly<Record<keyof CpuShares, number>>;

/** Runs `work`, and says what it gave and how much CPU time it took of each. */
export async function withCpu<T>(
  shares: CpuShares,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly cpuMs: CpuTimes }> {
  const before = await timesOf(shares);
  const result = await work();
  const after = await timesOf(shares);
  return {
    result,
    cpuMs: {
      controlPlane: after.controlPlane - before.controlPlane,
      redis: after.redis - before.redis,
      simulation: after.simulation - before.simulation,
    },
  };
}

/** Medians of several changes, divided by the hosts that each hits. */
export function cpuMeasurements(times: readonly CpuTimes[], hosts: number): Measurement[] {
  const perHost = (of: (each: CpuTimes) => number): number => median(times.map(of)) / hosts;
  return [
    {
      metric: 'cpu_per_host_control_plane',
      value: perHost((each) => each.controlPlane),
      unit: 'ms',
    },
    { metric: 'cpu_per_host_redis', value: perHost((each) => each.redis), unit: 'ms' },
    { metric: 'cpu_per_host_simulation', value: perHost((each) => each.simulation), unit: 'ms' },
  ];
}

/** Of control plane, Redis and simulation together: the median of several changes, for each of the hosts. */
export function cpuMsPerHost(times: readonly CpuTimes[], hosts: number): number {
  const sums = times.map(
    ({ controlPlane, redis, simulation }) => controlPlane + redis + simulation,
  );
  return median(sums) / hosts;
}

async function timesOf({ controlPlane, redis, simulation }: CpuShares): Promise<CpuTimes> {
  return {
    controlPlane: await cpuMsOf(controlPlane),
    redis: await cpuMsOf(redis),
    simulation: await cpuMsOf(simulation),
  };
}
