import { basename } from 'node:path';

/** Those that say most: first in each run. */
const FIRST = ['survival', 'conformance', 'bpf', 'ways-round.bypass'];
/** They take a third of all, and come last: in their time ten others say more. */
const LONG = ['collection.ansible', 'package'];

export const isLong = (file: string): boolean => LONG.includes(nameOf(file));

/**
 * The files with VMs in the order in which they are begun. Between the first and the last ones stand all others by name,
 * those of another turn from another one on: what a run of all suites has no time for, the runs after it come to.
 */
export function inOrder(files: readonly string[], turn: number): readonly string[] {
  const first = FIRST.flatMap((name) => files.filter((file) => nameOf(file) === name));
  const others = files
    .filter((file) => !first.includes(file) && !isLong(file))
    .sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
  const from = others.length === 0 ? 0 : turn % others.length;
  const turned = [...others.slice(from), ...others.slice(0, from)];
  return [...first, ...turned, ...files.filter(isLong)];
}

/** A turn for each commit; 0 where there is none. */
export function turnOf(commit: string): number {
  const turn = Number.parseInt(commit.slice(0, 12), 16);
  return Number.isNaN(turn) ? 0 : turn;
}

const nameOf = (file: string): string => basename(file, '.vm-spec.ts');
