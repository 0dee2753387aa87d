import { REPORT_INTERVAL_MS } from '#contracts';

const AFTER_MS = 1_000;
const SPREAD_MS = 3_000;
/** By it the last host of a large fleet confirms after 20 s, well before the sensor's patience (30 s) ends. */
const STRETCH = 5;

/**
 * How long after a swap a host confirms, in ms; `random` from 0 to 1. Confirming takes two handshakes, more than all else
 * of a change, and one change swaps a whole fleet within a moment: the reports of all come first, then each host confirms
 * at a moment of its own. In a large fleet, which is one that reports more rarely, both take a longer time.
 */
export function confirmAfterMs(reportEveryMs: number, random: number): number {
  const stretch = reportEveryMs > REPORT_INTERVAL_MS ? STRETCH : 1;
  return stretch * (AFTER_MS + random * SPREAD_MS);
}
