import type { Alert } from '#contracts';
import type { Vm } from '#testing';
import type { Product } from './product.js';

/** More than a suite brings about. */
const ALL = '20000';

/** Every alert, or those of a policy, oldest first. */
export async function alertsOf(product: Product, policy?: string): Promise<readonly Alert[]> {
  const only = policy === undefined ? [] : ['--policy', policy];
  const { stdout } = await product.must(['logs', '--json', '--limit', ALL, ...only]);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Alert);
}

/** How many denials these alerts stand for. */
export function denialsIn(alerts: readonly Alert[]): number {
  return alerts.reduce((sum, { Suppressed }) => sum + 1 + Suppressed, 0);
}

/** How many records of its programs the sensor says that it lost since it started. */
export async function lostOn(vm: Vm): Promise<number> {
  const { stdout } = await vm.ssh('hostward-sensor status --json');
  const { losses } = JSON.parse(stdout) as { losses: { bpf: Record<string, number> } };
  return Object.values(losses.bpf).reduce((sum, count) => sum + count, 0);
}
