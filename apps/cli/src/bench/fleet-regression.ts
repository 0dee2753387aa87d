import { COUNTED, type Counted, type HistoryEntry, type Kept, ratioOf } from './history-entry.js';
import { rounded } from './measurement.js';
import { median } from './samples.js';

/** By what a run is compared with those before. */
export type Judged = Kept | Counted | 'cpu_per_host';

/** A ratio may be so much greater than it was. */
const REGRESSION = 1.25;
/** So many runs before say what it was. */
const COMPARED = 5;

/**
 * What is more than it was, in words: each ratio to the bare Redis publish of the same run that is a quarter greater than
 * the median of the runs it is compared with. Nothing where there is none.
 */
export function regressions(
  before: readonly HistoryEntry[],
  entry: HistoryEntry,
  judged: readonly Judged[],
): readonly string[] {
  return judged.flatMap((by) => {
    const was = ratiosBefore(before, entry, by);
    const is = ratioBy(entry, by);
    return was.length > 0 && is !== undefined && is > median(was) * REGRESSION
      ? [`${by} x${rounded(is)} of bare Redis, after x${rounded(median(was))}`]
      : [];
  });
}

/**
 * Of the last five runs of that size that have it. What is counted is the same on every machine; of times, ratios of one
 * CPU say nothing about another: unchanged code had x34 of bare Redis on one and x20 on the next.
 */
export function ratiosBefore(
  before: readonly HistoryEntry[],
  { nodes, on }: HistoryEntry,
  by: Judged,
): readonly number[] {
  return before
    .filter((each) => each.nodes === nodes && (isCounted(by) || cpuOf(each.on) === cpuOf(on)))
    .flatMap((each) => ratioBy(each, by) ?? [])
    .slice(-COMPARED);
}

function ratioBy(entry: HistoryEntry, by: Judged): number | undefined {
  const { cpuMs, redis } = entry;
  if (by === 'cpu_per_host') return cpuMs && cpuMs.change / cpuMs.publish;
  if (by === 'redis_commands') return redis && redis.change.commands / redis.publish.commands;
  if (by === 'redis_bytes') return redis && redis.change.bytes / redis.publish.bytes;
  return ratioOf(entry, by);
}

function isCounted(by: Judged): boolean {
  return COUNTED.some((each) => each === by);
}

function cpuOf(machine: string): string | undefined {
  return machine.split(',', 1)[0];
}
