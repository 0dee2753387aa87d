import { type Automaton, AutomatonBuilder } from './automaton.js';
import type { GlobGraph, WildArc } from './glob-graph.js';
import { DEAD, Subsets } from './subsets.js';

/** An automaton whose states accept sets of what was added to the graph: accepts[s] is an index here, 0 the empty set. */
export interface SetAutomaton {
  readonly automaton: Automaton;
  readonly acceptSets: readonly (readonly number[])[];
}

const NONE: readonly number[] = [];

/**
 * Subset construction. Undefined once states and their exceptions are more than `budget`, so that its time is bounded
 * too: patterns with several `**` multiply.
 */
export function determinise(graph: GlobGraph, budget = Infinity): SetAutomaton | undefined {
  const subsets = new Subsets(graph);
  const rows = new Rows(graph, subsets);
  const builder = new AutomatonBuilder();
  const accepts = new AcceptSets(graph);
  const start = subsets.of([0]);
  for (let state = 0; state < subsets.count; state++) {
    if (builder.size + (subsets.count - state) > budget) return undefined;
    const members = subsets.members(state);
    builder.state(rows.write(members, builder), accepts.of(members));
  }
  return { automaton: builder.finish(start), acceptSets: accepts.sets };
}

/** Works out where a set of nodes goes. */
class Rows {
  private readonly byByte: number[][] = Array.from({ length: 256 }, () => []);
  private readonly isExplicit = new Uint8Array(256);
  /** How many of the wild arcs at hand exclude a byte. */
  private readonly excluding = new Uint32Array(256);

  constructor(
    private readonly graph: GlobGraph,
    private readonly subsets: Subsets,
  ) {}

  /** Writes the exceptions, ascending; gives the default. */
  write(members: readonly number[], builder: AutomatonBuilder): number {
    const wild: WildArc[] = [];
    const explicit: number[] = [];
    for (const node of members) this.collect(node, wild, explicit);
    const byDefault = this.subsets.of(wild.map(({ target }) => target));
    explicit.sort((a, b) => a - b);
    for (const byte of explicit) {
      const target = this.target(byte, wild, byDefault);
      if (target !== byDefault) builder.exception(byte, target);
      this.reset(byte);
    }
    return byDefault;
  }

  private collect(node: number, wild: WildArc[], explicit: number[]): void {
    const { firstArc, nextArc, arcByte, arcTarget } = this.graph;
    for (let arc = firstArc[node] ?? -1; arc >= 0; arc = nextArc[arc] ?? -1) {
      const byte = arcByte[arc] ?? 0;
      this.mention(byte, explicit);
      this.byByte[byte]?.push(arcTarget[arc] ?? DEAD);
    }
    for (const arc of this.graph.wildArcs(node)) {
      wild.push(arc);
      for (const byte of arc.excluded) {
        this.mention(byte, explicit);
        this.excluding[byte] = (this.excluding[byte] ?? 0) + 1;
      }
    }
  }

  private mention(byte: number, explicit: number[]): void {
    if (this.isExplicit[byte] === 1) return;
    this.isExplicit[byte] = 1;
    explicit.push(byte);
  }

  /** Most bytes that are mentioned add little to where all others go. */
  private target(byte: number, wild: readonly WildArc[], byDefault: number): number {
    const own = this.byByte[byte] ?? [];
    if (this.excluding[byte] === 0) return this.subsets.with(byDefault, own);
    const targets = [...own];
    for (const { excluded, target } of wild) if (!excluded.includes(byte)) targets.push(target);
    return this.subsets.of(targets);
  }

  private reset(byte: number): void {
    this.isExplicit[byte] = 0;
    this.excluding[byte] = 0;
    const list = this.byByte[byte];
    if (list !== undefined) list.length = 0;
  }
}

class AcceptSets {
  readonly sets: (readonly number[])[] = [NONE];
  private readonly ids = new Map<string, number>();

  constructor(private readonly graph: GlobGraph) {}

  of(members: readonly number[]): number {
    const accepted = members.flatMap((node) => this.graph.acceptedBy(node));
    if (accepted.length === 0) return 0;
    accepted.sort((a, b) => a - b);
    const key = accepted.join();
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    this.ids.set(key, this.sets.length);
    return this.sets.push(accepted) - 1;
  }
}
