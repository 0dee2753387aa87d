import { REPORT_VALID_MS } from '#contracts';
import type { HeldReport } from './report-board.js';

/** How far a host's clock may be from ours before its `asOf` proves nothing. */
const CLOCK_TOLERANCE_MS = 5 * 60_000;

/** Whether a report still says what is: `unknown` says why it does not. */
export type Freshness =
  { readonly fresh: true } | { readonly fresh: false; readonly reason: string };

/**
 * A report decays REPORT_VALID_MS after we took it, by our clock. Its own `asOf` must be near ours when taken: else
 * somebody who owns Redis could play back old ones in order and keep a status alive that is no longer true.
 */
export function freshnessOf(held: HeldReport | undefined, nowMs: number): Freshness {
  if (!held) return { fresh: false, reason: 'the host has not reported' };
  const ageMs = nowMs - held.receivedAtMs;
  if (ageMs > REPORT_VALID_MS || ageMs < -CLOCK_TOLERANCE_MS) {
    return { fresh: false, reason: `the host has not reported for ${Math.round(ageMs / 1000)} s` };
  }
  const differenceMs = Date.parse(held.report.asOf) - held.receivedAtMs;
  if (Math.abs(differenceMs) > CLOCK_TOLERANCE_MS) {
    const seconds = Math.round(differenceMs / 1000);
    return {
      fresh: false,
      reason: `the host's clock differs from the control plane's by ${seconds} s`,
    };
  }
  return { fresh: true };
}
