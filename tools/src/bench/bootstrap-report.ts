import type { BenchReport } from './bench-report.js';
import type { Measurement } from './measurement.js';
import type { WayName } from './bootstrap-ways.js';

/** What one run took; bytes are those that reached the hosts, where they could be counted. */
export interface Took {
  readonly seconds: number;
  readonly bytes?: number;
}

/** Of the transport alone, of a first run, and of the same once more. */
export interface Figures {
  readonly copy: Took;
  readonly first: Took;
  readonly again: Took;
}

/** How many hosts by which way; `real` are VMs, waited for until they enforce. */
export interface Case {
  readonly count: number;
  readonly by: WayName;
  readonly real: boolean;
}

const MIB = 1024 ** 2;
/** Aim of the product: a second run costs at most this part of the first. */
const SECOND_RUN_LIMIT = 0.25;

/** Puts a case into the report, with the aim of its second run. */
export function reportCase(report: BenchReport, of: Case, { copy, first, again }: Figures): void {
  const { count, by, real } = of;
  const hosts = `${count} ${real ? 'VM' : 'simulated host'}${count === 1 ? '' : 's'} by ${by}`;
  report.case(
    hosts,
    `bare to ${real ? 'enforced' : 'enrolled'}, ten at a time; baseline: the same transport runs true and copies a file of the package’s size; of the second run: the first`,
    [
      {
        ...{ metric: real ? 'enforced' : 'enrolled', unit: 's' },
        ...{ value: first.seconds, baseline: copy.seconds },
      },
      { metric: 'second run', value: again.seconds, unit: 's', baseline: first.seconds },
      ...bytes('received', first, copy),
      ...bytes('received by the second run', again, first),
    ],
  );
  report.ratio(`second run of ${hosts}`, again.seconds / first.seconds, SECOND_RUN_LIMIT);
}

function bytes(metric: string, took: Took, baseline: Took): Measurement[] {
  if (took.bytes === undefined || baseline.bytes === undefined) return [];
  return [{ metric, value: took.bytes / MIB, unit: 'MiB', baseline: baseline.bytes / MIB }];
}
