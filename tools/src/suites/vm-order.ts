import { basename } from 'node:path';

/** Those that say most: first in each run. */
const FIRST = ['survival', 'conformance', 'bpf', 'ways-round.bypass'];
/** They take a third of all: in their time ten others say more. */
const LONG = ['collection.ansible', 'package'];
/** Of so many commits one begins with a long one. */
const LONG_EVERY = 3;

/**
 * Minutes that each took on two cores, another one beside it (AMD EPYC, 2026-12-01); by them a run of all suites sees what
 * it has time for.
 */
const USUAL_MINUTES: Readonly<Record<string, number>> = {
  bpf: 11,
  'collection.ansible': 16,
  conformance: 8,
  'control-plane.ansible': 6,
  examples: 4,
  package: 13,
  survival: 5,
  usb: 3,
};
const USUAL_MINUTES_OF_OTHERS = 5;

export const isFirst = (file: string): boolean => FIRST.includes(nameOf(file));

export const isLong = (file: string): boolean => LONG.includes(nameOf(file));

export const usualMsOf = (file: string): number =>
  (USUAL_MINUTES[nameOf(file)] ?? USUAL_MINUTES_OF_OTHERS) * 60_000;

/**
 * The files with VMs in the order in which they are begun. In front stands a long one, where it is its turn: behind the
 * first ones no run of all suites would have the time. Then the first ones; then all others by name, those of another turn
 * from another one on; last the long ones that are left. What a run has no time for, the runs after it come to.
 */
export function inOrder(files: readonly string[], turn: number): readonly string[] {
  const first = FIRST.flatMap((name) => files.filter((file) => nameOf(file) === name));
  const long = files.filter(isLong);
  const now = long.slice(turn % (LONG_EVERY * long.length)).slice(0, 1);
  const others = files
    .filter((file) => !first.includes(file) && !isLong(file))
    .sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
  const from = others.length === 0 ? 0 : turn % others.length;
  const turned = [...others.slice(from), ...others.slice(0, from)];
  return [...now, ...first, ...turned, ...long.filter((file) => !now.includes(file))];
}

const nameOf = (file: string): string => basename(file, '.vm-spec.ts');
