import type { Clock } from './clock.js';

/**
 * Waits for as long as `ms` says, and goes on where it says more by then: who does not know yet how long to wait finds
 * out meanwhile. What becomes shorter ends no wait.
 */
export async function waitOut(
  clock: Pick<Clock, 'wait'>,
  signal: AbortSignal,
  ms: () => number,
): Promise<void> {
  let waitedMs = 0;
  for (let wanted = ms(); wanted > waitedMs && !signal.aborted; wanted = ms()) {
    await clock.wait(wanted - waitedMs, signal);
    waitedMs = wanted;
  }
}
