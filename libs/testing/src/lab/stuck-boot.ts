import type { QmpClient } from './qmp.client.js';

/**
 * What a kernel says each 21 s when the emulator has lost the timer of a processor: it will never come up. Said once it
 * may be a machine that was busy.
 */
const LOST_TIMER = "rcu_preempt kthread timer wakeup didn't happen";
/** systemd's first word comes 15 s after a reset, after a minute where several machines boot on two slow cores. */
const SILENT_MS = 150_000;

/** Why a machine that was reset `waitedMs` ago will never come up, by its console since then; undefined while it may. */
export function whyStuck(console: string, waitedMs: number): string | undefined {
  if (console.split(LOST_TIMER).length > 2) return 'it lost a timer';
  if (waitedMs < SILENT_MS || console.trim() !== '') return undefined;
  return `it said nothing for ${SILENT_MS / 1_000} s`;
}

/** Where the processors of a machine are now, a part for each, for whoever looks for why it is stuck. */
export async function processorsOf(qmp: QmpClient, timeoutMs: number): Promise<string> {
  const registers = await qmp.monitor('info registers -a', timeoutMs);
  return [...registers.matchAll(/\b[ER]IP=.*/g)].map(([line]) => line.trim()).join('; ');
}
