import { MEASURED } from './scale-constants.js';
import type { ScaleCell } from './scale-model.js';

/** What a fleet takes in a day in which nothing changes. */
export interface Day {
  /** Of all control planes and all Redis. */
  readonly coreHours: number;
  readonly gibHours: number;
  /** From hosts into Redis, in 1e9 bytes: reports and signed statuses. */
  readonly gigabytes: number;
}

/** Of one of each, in any currency; what has none costs nothing. */
export interface Prices {
  readonly coreHour?: number;
  readonly gibHour?: number;
  readonly gb?: number;
}

/** A fleet of 3,000 hosts or more; docs/reference/protocol/reports.md#pace. */
const REPORT_EVERY_S = 60;
const SIGNED_STATUS_EVERY_S = 240;
const [HOURS, SECONDS] = [24, 86_400] as const;

/** What hosts add to control planes and Redis without any. */
export function dayOf({ hosts, controlPlanes }: Omit<ScaleCell, 'redis'>): Day {
  const { c4, c5, c7, c13, c17, c18 } = MEASURED;
  return {
    coreHours: hosts * (controlPlanes * c4 + c17 / REPORT_EVERY_S) * HOURS,
    gibHours: (hosts * (controlPlanes * c5 + c18) * HOURS) / 2 ** 30,
    gigabytes: (hosts * (c7 / REPORT_EVERY_S + c13 / SIGNED_STATUS_EVERY_S) * SECONDS) / 1e9,
  };
}

/** Undefined without any price. */
export function costOf(day: Day, { coreHour, gibHour, gb }: Prices): number | undefined {
  if ([coreHour, gibHour, gb].every((price) => price === undefined)) return undefined;
  const [ofCores, ofMemory, ofTraffic] = [coreHour ?? 0, gibHour ?? 0, gb ?? 0];
  return day.coreHours * ofCores + day.gibHours * ofMemory + day.gigabytes * ofTraffic;
}
