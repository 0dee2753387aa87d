import { COUNTED, type Counted, type HistoryEntry, type Kept } from './history-entry.js';
import { rounded } from './measurement.js';
import { median } from '../../../apps/cli/src/sim/samples.js';

/** By what a run is compared with those before. */
export type Judged = Kept | Counted | 'cpu_per_host';

/** A ratio may be so much greater than it was. */
const REGRESSION = 1.25;
/** So many runs before say what it was. */
const COMPARED = 5;

/** A value of a run, and the same of the bare Redis publish in it. */
interface Pair {
  readonly value: number;
  readonly bare: number;
}

/**
 * What is more than it was, in words: by a quarter greater than the median of the runs it is compared with, as a ratio to the
 * bare Redis publish of the same run and by itself, since a publish that took less makes nothing slower. Nothing where there
 * is none to compare with.
 */
export function regressions(
  before: readonly HistoryEntry[],
  entry: HistoryEntry,
  judged: readonly Judged[],
): readonly string[] {
  return judged.flatMap((by) => {
    const was = pairsBefore(before, entry, by);
    const is = pairOf(entry, by);
    if (was.length === 0 || is === undefined) return [];
    const ratio = median(was.map(ratioOf));
    const value = median(was.map((each) => each.value));
    const isMore = ratioOf(is) > ratio * REGRESSION && is.value > value * REGRESSION;
    return isMore ? [`${by} x${rounded(ratioOf(is))} of bare Redis, after x${rounded(ratio)}`] : [];
  });
}

/** Whether a run can be judged by it. */
export function isComparable(
  before: readonly HistoryEntry[],
  entry: HistoryEntry,
  by: Judged,
): boolean {
  return pairsBefore(before, entry, by).length > 0;
}

/**
 * Of the last five runs of that size that have it. What is counted is the same on every machine; of times, ratios of one
 * CPU say nothing about another: unchanged code had x34 of bare Redis on one and x20 on the next.
 */
function pairsBefore(
  before: readonly HistoryEntry[],
  { nodes, on }: HistoryEntry,
  by: Judged,
): readonly Pair[] {
  return before
    .filter((each) => each.nodes === nodes && (isCounted(by) || cpuOf(each.on) === cpuOf(on)))
    .flatMap((each) => pairOf(each, by) ?? [])
    .slice(-COMPARED);
}

function pairOf({ ms, baseline, cpuMs, redis }: HistoryEntry, by: Judged): Pair | undefined {
  if (by === 'cpu_per_host') return cpuMs && { value: cpuMs.change, bare: cpuMs.publish };
  if (by === 'redis_commands')
    return redis && { value: redis.change.commands, bare: redis.publish.commands };
  if (by === 'redis_bytes')
    return redis && { value: redis.change.bytes, bare: redis.publish.bytes };
  return { value: ms[by], bare: baseline };
}

function ratioOf({ value, bare }: Pair): number {
  return value / bare;
}

function isCounted(by: Judged): boolean {
  return COUNTED.some((each) => each === by);
}

function cpuOf(machine: string): string | undefined {
  return machine.split(',', 1)[0];
}
