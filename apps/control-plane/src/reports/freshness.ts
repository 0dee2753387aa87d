import { reportValidMs } from '#contracts';
import type { HeldReport } from './held-report.js';

/**
 * How far a host's clock may be from ours. It is also how much longer than its time (`reportValidMs`) a report that was held back
 * on Redis, or was there when we started, can be taken for what is now: so it is short, and clocks must be kept.
 */
const CLOCK_TOLERANCE_MS = 30_000;

/**
 * Whether a report still says what is; `reason` says why not, `brief` the same for many hosts: without a time. Reports
 * that go on about a kernel which is not read come of a sensor that is away, or of a clock that is behind.
 */
export type Freshness = { readonly fresh: true } | Stale;

interface Stale {
  readonly fresh: false;
  readonly cause: 'silence' | 'clock' | 'kernel-not-read';
  readonly reason: string;
  readonly brief?: string;
}

/**
 * A report decays `reportValidMs` after we took it, by our clock, and as long after its own `asOf` with a tolerance for
 * the host's clock: what an agent repeats about a sensor that is away, and what somebody who owns Redis plays back,
 * ages like silence.
 */
export function freshnessOf(held: HeldReport | undefined, nowMs: number): Freshness {
  if (!held) return stale('silence', 'the host has not reported');
  const { receivedAtMs, report } = held;
  const asOfMs = Date.parse(report.asOf);
  const differenceMs = asOfMs - receivedAtMs;
  const validMs = reportValidMs(report);
  if (differenceMs > CLOCK_TOLERANCE_MS || receivedAtMs - nowMs > CLOCK_TOLERANCE_MS) {
    return stale('clock', clockReason(differenceMs), "the host's clock is wrong");
  }
  if (nowMs - receivedAtMs > validMs) {
    const reason = `the host has not reported for ${seconds(nowMs - receivedAtMs)}`;
    return stale('silence', reason, 'the host has fallen silent');
  }
  if (nowMs - asOfMs > validMs + CLOCK_TOLERANCE_MS) {
    const reason = `the host last read its kernel ${seconds(nowMs - asOfMs)} ago, or its clock is behind`;
    return stale(
      'kernel-not-read',
      reason,
      'the host does not read its kernel, or its clock is behind',
    );
  }
  return { fresh: true };
}

function stale(cause: Stale['cause'], reason: string, brief?: string): Stale {
  return { fresh: false, cause, reason, brief };
}

function clockReason(differenceMs: number): string {
  return `the host's clock differs from the control plane's by ${seconds(differenceMs)}`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
