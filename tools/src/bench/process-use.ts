import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** Kernel ticks a second in /proc, the same on every architecture that we run on. */
const TICKS_A_SECOND = 100;
const TICK_FIELDS_AFTER_NAME = 11;

/** What a process used over a while. */
export interface ProcessUse {
  readonly cpuPercent: number;
  readonly residentMiB: number;
}

/** CPU (of one core, all threads) and resident memory of processes over the same `windowMs`. */
export async function useOf(
  pids: readonly number[],
  windowMs: number,
  signal: AbortSignal,
): Promise<readonly ProcessUse[]> {
  const started = performance.now();
  const before = await Promise.all(pids.map(cpuSeconds));
  await delay(windowMs, undefined, { signal });
  const seconds = (performance.now() - started) / 1_000;
  const after = await Promise.all(pids.map(cpuSeconds));
  const resident = await Promise.all(pids.map(residentMiB));
  return pids.map((_, index) => ({
    cpuPercent: (100 * ((after[index] ?? 0) - (before[index] ?? 0))) / seconds,
    residentMiB: resident[index] ?? 0,
  }));
}

/** Of all together. */
export function sumOf(uses: readonly ProcessUse[]): ProcessUse {
  return {
    cpuPercent: uses.reduce((sum, { cpuPercent }) => sum + cpuPercent, 0),
    residentMiB: uses.reduce((sum, { residentMiB }) => sum + residentMiB, 0),
  };
}

/** CPU time of processes so far, all of them together; to the kernel's tick of 10 ms each. */
export async function cpuMsOf(pids: readonly number[]): Promise<number> {
  const seconds = await Promise.all(pids.map(cpuSeconds));
  return 1_000 * seconds.reduce((sum, each) => sum + each, 0);
}

/** User and system time so far. The name in brackets may hold spaces, so fields are counted behind it. */
async function cpuSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [user, system] = fields.slice(TICK_FIELDS_AFTER_NAME, TICK_FIELDS_AFTER_NAME + 2);
  return (Number(user) + Number(system)) / TICKS_A_SECOND;
}

/** Resident memory now. */
export async function residentMiB(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1_024;
}
