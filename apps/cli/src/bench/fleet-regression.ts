import { type HistoryEntry, type Kept, ratioOf } from './history-entry.js';
import { rounded } from './measurement.js';
import { median } from './samples.js';

/** By what a run is compared with those before. */
export type Judged = Kept | 'cpu_per_host';

/** A ratio may be so much greater than it was. */
const REGRESSION = 1.25;
/** So many runs before say what it was. */
const COMPARED = 5;
/** On an idle machine the bare publish takes less than so many times what it did. */
const BUSY = 2;

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
    const was = comparedWith(before, entry, by).flatMap((each) => ratioBy(each, by) ?? []);
    const is = ratioBy(entry, by);
    return was.length > 0 && is !== undefined && is > median(was) * REGRESSION
      ? [`${by} x${rounded(is)} of bare Redis, after x${rounded(median(was))}`]
      : [];
  });
}

/**
 * The last five runs of that size on such a CPU, of those that have what is judged. Ratios of one CPU say nothing about
 * another: unchanged code had x34 of bare Redis on one and x20 on the next.
 */
export function comparedWith(
  before: readonly HistoryEntry[],
  { nodes, on }: HistoryEntry,
  by: Judged,
): readonly HistoryEntry[] {
  return before
    .filter((each) => each.nodes === nodes && cpuOf(each.on) === cpuOf(on))
    .filter((each) => ratioBy(each, by) !== undefined)
    .slice(-COMPARED);
}

/** Whether the machine had other work: then the bare publish takes longer too, which nothing of the product is part of. */
export function isBusy(compared: readonly HistoryEntry[], { baseline }: HistoryEntry): boolean {
  return baseline > median(compared.map((each) => each.baseline)) * BUSY;
}

function ratioBy(entry: HistoryEntry, by: Judged): number | undefined {
  if (by !== 'cpu_per_host') return ratioOf(entry, by);
  return entry.cpuMs && entry.cpuMs.change / entry.cpuMs.publish;
}

function cpuOf(machine: string): string | undefined {
  return machine.split(',', 1)[0];
}
