import type { Held, Line } from '../history.js';
import type { Truth } from '../truth.js';
import type { Violation } from './violation.js';

/** Where hosts are split over several Redis, each has what is its own on the one that its record names, and nowhere else. */
export function checkApart(lines: readonly Line[], truth: Truth): Violation[] {
  const index = lines.findIndex(({ type }) => type === 'quiet');
  const line = lines[index];
  if (line?.type !== 'quiet') return [];
  const found = (line.final.held ?? []).flatMap((held) => misplaced(held, truth));
  return found.map((what) => ({ rule: 'apart', at: index + 1, what }));
}

function misplaced({ shard, users, assignments }: Held, truth: Truth): string[] {
  const placed = truth.placed().filter((each) => each.shard === shard);
  const expected = new Set(placed.map(({ nodeId }) => nodeId));
  const name = (nodeId: string): string => `${truth.nameOf(nodeId) ?? 'nobody'} (${nodeId})`;
  return Object.entries({ user: users, assignment: assignments }).flatMap(([what, of]) => {
    const there = new Set(of);
    return [
      ...expected
        .difference(there)
        .keys()
        .map((id) => `${shard} has no ${what} of ${name(id)}`),
      ...there
        .difference(expected)
        .keys()
        .map((id) => `${shard} has the ${what} of ${name(id)}`),
    ];
  });
}
