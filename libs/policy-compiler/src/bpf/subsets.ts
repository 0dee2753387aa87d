import type { GlobGraph } from './glob-graph.js';

const NONE: readonly number[] = [];
/** The state of no node. */
export const DEAD = 0;

/** Sets of nodes that are reached together: the states of a subset construction. */
export class Subsets {
  private readonly sets: (readonly number[])[] = [NONE];
  private readonly byHash = new Map<number, number[]>();
  private readonly closures: (readonly number[] | undefined)[] = [];
  /** States of one node alone, by that node: nearly all in a large set of literals. */
  private readonly ofOne: Int32Array;
  private readonly stamps: Uint32Array;
  private stamp = 0;

  constructor(private readonly graph: GlobGraph) {
    this.ofOne = new Int32Array(graph.size).fill(-1);
    this.stamps = new Uint32Array(graph.size);
  }

  get count(): number {
    return this.sets.length;
  }

  members(state: number): readonly number[] {
    return this.sets[state] ?? NONE;
  }

  /** The state of all these nodes and of what they reach without a byte. */
  of(targets: readonly number[]): number {
    return this.with(DEAD, targets);
  }

  /** The state of a state's nodes and more. */
  with(state: number, more: readonly number[]): number {
    const [first] = more;
    if (first === undefined) return state;
    if (state === DEAD && more.length === 1) return this.intern(this.closure(first));
    return this.intern(this.union(this.members(state), more));
  }

  private union(members: readonly number[], more: readonly number[]): readonly number[] {
    this.stamp += 1;
    for (const node of members) this.stamps[node] = this.stamp;
    const added: number[] = [];
    for (const target of more) {
      for (const node of this.closure(target)) {
        if (this.stamps[node] === this.stamp) continue;
        this.stamps[node] = this.stamp;
        added.push(node);
      }
    }
    return added.length === 0 ? members : merge(members, added.sort(ascending));
  }

  private intern(set: readonly number[]): number {
    const [first] = set;
    if (first === undefined) return DEAD;
    if (set.length > 1) return this.internMany(set);
    const known = this.ofOne[first] ?? -1;
    if (known >= 0) return known;
    this.ofOne[first] = this.sets.length;
    return this.sets.push(set) - 1;
  }

  private internMany(set: readonly number[]): number {
    const hash = hashOf(set);
    const bucket = this.byHash.get(hash);
    for (const state of bucket ?? NONE) if (equal(this.members(state), set)) return state;
    const made = this.sets.push(set) - 1;
    if (bucket === undefined) this.byHash.set(hash, [made]);
    else bucket.push(made);
    return made;
  }

  private closure(node: number): readonly number[] {
    const known = this.closures[node];
    if (known !== undefined) return known;
    const made = this.graph.emptyArcs(node).length === 0 ? this.alone(node) : this.reach(node);
    this.closures[node] = made;
    return made;
  }

  private alone(node: number): readonly number[] {
    return this.matters(node) ? [node] : NONE;
  }

  private reach(node: number): readonly number[] {
    const seen = new Set([node]);
    for (const one of seen) for (const next of this.graph.emptyArcs(one)) seen.add(next);
    return [...seen].filter((one) => this.matters(one)).sort(ascending);
  }

  /** Nodes that only lead on without a byte would tell states apart that are the same. */
  private matters(node: number): boolean {
    return (
      (this.graph.firstArc[node] ?? -1) >= 0 ||
      this.graph.wildArcs(node).length > 0 ||
      this.graph.acceptedBy(node).length > 0
    );
  }
}

function ascending(a: number, b: number): number {
  return a - b;
}

/** Both ascending and without a common element. */
function merge(a: readonly number[], b: readonly number[]): readonly number[] {
  const merged: number[] = [];
  let at = 0;
  for (const node of b) {
    for (let next = a[at]; next !== undefined && next < node; next = a[at]) {
      merged.push(next);
      at += 1;
    }
    merged.push(node);
  }
  for (; at < a.length; at++) merged.push(a[at] ?? 0);
  return merged;
}

function hashOf(set: readonly number[]): number {
  let hash = 0x811c9dc5;
  for (const node of set) hash = Math.imul(hash ^ node, 0x01000193) ^ (hash >>> 15);
  return hash;
}

function equal(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}
