import type { Automaton } from './automaton.js';
import type { ByteClasses } from './byte-classes.js';
import { Slots } from './slots.js';

/** Row displacement of all automata into one sequence of slots. */
export interface Placement {
  /** Slot of the head of each state, by automaton; -1 for the dead state, which has none. */
  readonly heads: readonly Int32Array[];
  /** By automaton: exceptions as (class, target), those of state s from offsets[s] on. */
  readonly rows: readonly ClassRows[];
  /** Slots in use, with room for every class behind the last head. */
  readonly slots: number;
}

export interface ClassRows {
  readonly offsets: Int32Array;
  readonly classes: Uint8Array;
  readonly targets: Int32Array;
}

/** Finds a head for each state such that no two heads or transitions share a slot. */
export function placeStates(automata: readonly Automaton[], bytes: ByteClasses): Placement {
  const rows = automata.map((automaton) => classRows(automaton, bytes));
  const heads = automata.map(({ accepts }) => new Int32Array(accepts.length).fill(-1));
  const slots = new Slots();
  for (const [automaton, state] of byNeed(rows)) {
    const place = heads[automaton];
    const row = rows[automaton];
    if (place !== undefined && row !== undefined)
      place[state] = slots.take([0, ...classesOf(row, state)]);
  }
  return { heads, rows, slots: slots.end + bytes.count + 1 };
}

function classRows(
  { offsets, bytes, targets }: Automaton,
  { classes, isFirst }: ByteClasses,
): ClassRows {
  const made = { offsets: new Int32Array(offsets.length), classes: [0], targets: [0] };
  made.classes.length = made.targets.length = 0;
  for (let state = 0; state + 1 < offsets.length; state++) {
    for (let at = offsets[state] ?? 0; at < (offsets[state + 1] ?? 0); at++) {
      const byte = bytes[at] ?? 0;
      if (isFirst[byte] !== 1) continue;
      made.classes.push(classes[byte] ?? 0);
      made.targets.push(targets[at] ?? 0);
    }
    made.offsets[state + 1] = made.classes.length;
  }
  return {
    offsets: made.offsets,
    classes: Uint8Array.from(made.classes),
    targets: Int32Array.from(made.targets),
  };
}

function classesOf({ offsets, classes }: ClassRows, state: number): Uint8Array {
  return classes.subarray(offsets[state], offsets[state + 1]);
}

/** Wide rows first, while there is room; then single ones path by path; rows of no exception fill the gaps. */
function byNeed(rows: readonly ClassRows[]): readonly (readonly [number, number])[] {
  const all = rows.flatMap(({ offsets }, automaton) =>
    Array.from({ length: offsets.length - 2 }, (_, at): [number, number, number] => [
      automaton,
      at + 1,
      (offsets[at + 2] ?? 0) - (offsets[at + 1] ?? 0),
    ]),
  );
  return all.sort((a, b) => b[2] - a[2]).map(([automaton, state]) => [automaton, state]);
}
