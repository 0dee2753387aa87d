import type { NodeReport } from '#contracts';

/** A report and when we took it, by our clock. */
export interface HeldReport {
  readonly report: NodeReport;
  readonly receivedAtMs: number;
}
