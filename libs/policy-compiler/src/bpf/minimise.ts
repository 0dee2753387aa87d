import { type Automaton, AutomatonBuilder } from './automaton.js';

/**
 * The least automaton of the same meaning; `accepts` are compared as they are. Partition refinement: a state whose
 * successors changed their block is looked at again, and of a block that falls apart the largest part keeps its number,
 * so a state changes its block a logarithmic number of times only, whatever the length of the paths.
 */
export function minimise(automaton: Automaton): Automaton {
  const blocks = refine(automaton);
  return quotient(automaton, blocks);
}

/** The block of each state. */
function refine(automaton: Automaton): Int32Array {
  const partition = new Partition(automaton);
  const incoming = predecessors(automaton);
  let dirty = Int32Array.from(automaton.accepts.keys());
  while (dirty.length > 0) {
    const moved = partition.split(dirty);
    dirty = statesBefore(moved, incoming);
  }
  return partition.blocks;
}

interface Incoming {
  readonly offsets: Int32Array;
  readonly states: Int32Array;
}

function predecessors({ defaults, offsets, targets }: Automaton): Incoming {
  const count = defaults.length;
  const ends = new Int32Array(count + 1);
  for (const target of defaults) ends[target + 1] = (ends[target + 1] ?? 0) + 1;
  for (const target of targets) ends[target + 1] = (ends[target + 1] ?? 0) + 1;
  for (let state = 0; state < count; state++) {
    ends[state + 1] = (ends[state + 1] ?? 0) + (ends[state] ?? 0);
  }
  const next = ends.slice();
  const states = new Int32Array(defaults.length + targets.length);
  const put = (target: number, state: number): void => {
    const at = next[target] ?? 0;
    states[at] = state;
    next[target] = at + 1;
  };
  for (let state = 0; state < count; state++) {
    put(defaults[state] ?? 0, state);
    for (let at = offsets[state] ?? 0; at < (offsets[state + 1] ?? 0); at++) {
      put(targets[at] ?? 0, state);
    }
  }
  return { offsets: ends, states };
}

function statesBefore(
  moved: readonly number[],
  { offsets, states }: Incoming,
): Int32Array<ArrayBuffer> {
  const found = new Set<number>();
  for (const state of moved) {
    for (let at = offsets[state] ?? 0; at < (offsets[state + 1] ?? 0); at++) {
      found.add(states[at] ?? 0);
    }
  }
  return Int32Array.from(found).sort();
}

class Partition {
  readonly blocks: Int32Array;
  private readonly sizes: number[] = [];
  /** What the states of a block do, except for those that are looked at again. */
  private readonly signatures: (string | undefined)[] = [];

  constructor(private readonly automaton: Automaton) {
    const ids = new Map<number, number>();
    this.blocks = automaton.accepts.map((accepts) => {
      const block = ids.get(accepts) ?? ids.size;
      ids.set(accepts, block);
      this.sizes[block] = (this.sizes[block] ?? 0) + 1;
      return block;
    });
  }

  /** Splits the blocks of these states by what they do now; gives the states that changed their block. */
  split(dirty: Int32Array): readonly number[] {
    const byBlock = new Map<number, Map<string, number[]>>();
    for (const state of dirty) {
      const block = this.blocks[state] ?? 0;
      const parts = byBlock.get(block) ?? new Map<string, number[]>();
      byBlock.set(block, parts);
      const signature = this.signature(state);
      const part = parts.get(signature);
      if (part === undefined) parts.set(signature, [state]);
      else part.push(state);
    }
    return [...byBlock].flatMap(([block, parts]) => this.splitBlock(block, parts));
  }

  private splitBlock(block: number, parts: ReadonlyMap<string, readonly number[]>): number[] {
    const kept = this.largestPart(block, parts);
    const moved: number[] = [];
    for (const [signature, states] of parts) {
      if (signature === kept) continue;
      this.give(block, signature, states);
      for (const state of states) moved.push(state);
    }
    this.signatures[block] = kept;
    return moved;
  }

  /** The part that keeps the number: the resting one if there is one, for its states are not at hand. */
  private largestPart(block: number, parts: ReadonlyMap<string, readonly number[]>): string {
    let looked = 0;
    let largest = '';
    let size = 0;
    for (const [signature, states] of parts) {
      looked += states.length;
      if (states.length > size) [largest, size] = [signature, states.length];
    }
    const resting = this.signatures[block];
    return resting !== undefined && looked < (this.sizes[block] ?? 0) ? resting : largest;
  }

  private give(block: number, signature: string, states: readonly number[]): void {
    const made = this.sizes.push(states.length) - 1;
    this.signatures[made] = signature;
    this.sizes[block] = (this.sizes[block] ?? 0) - states.length;
    for (const state of states) this.blocks[state] = made;
  }

  private signature(state: number): string {
    const { defaults, offsets, bytes, targets } = this.automaton;
    const byDefault = this.blocks[defaults[state] ?? 0] ?? 0;
    let text = String(byDefault);
    for (let at = offsets[state] ?? 0; at < (offsets[state + 1] ?? 0); at++) {
      const block = this.blocks[targets[at] ?? 0] ?? 0;
      if (block !== byDefault) text += `,${bytes[at]}:${block}`;
    }
    return text;
  }
}

/** One state a block, numbered in the order in which the start reaches them, depth first: paths stay together. */
function quotient(automaton: Automaton, blocks: Int32Array): Automaton {
  const representative = new Int32Array(automaton.accepts.length).fill(-1);
  const order: number[] = [0];
  representative[blocks[0] ?? 0] = 0;
  const stack = [automaton.start];
  for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
    const block = blocks[state] ?? 0;
    if ((representative[block] ?? -1) >= 0) continue;
    representative[block] = order.push(state) - 1;
    stack.push(automaton.defaults[state] ?? 0);
    const end = automaton.offsets[state + 1] ?? 0;
    for (let at = end - 1; at >= (automaton.offsets[state] ?? 0); at--) {
      stack.push(automaton.targets[at] ?? 0);
    }
  }
  return rebuilt(automaton, order, (state) => representative[blocks[state] ?? 0] ?? 0);
}

function rebuilt(
  { start, defaults, offsets, bytes, targets, accepts }: Automaton,
  order: readonly number[],
  number: (state: number) => number,
): Automaton {
  const builder = new AutomatonBuilder();
  for (const state of order) {
    const byDefault = number(defaults[state] ?? 0);
    for (let at = offsets[state] ?? 0; at < (offsets[state + 1] ?? 0); at++) {
      const target = number(targets[at] ?? 0);
      if (target !== byDefault) builder.exception(bytes[at] ?? 0, target);
    }
    builder.state(byDefault, accepts[state] ?? 0);
  }
  return builder.finish(number(start));
}
