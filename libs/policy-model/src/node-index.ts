import { hostnameKeys } from './marks.js';
import type { TargetNode } from './node.js';
import { addTo, removeFrom } from './relation.js';
import type { Term } from './selector.js';

/** What a node can be found by: its labels, and its name under KubeArmor's hostname key. */
export function findableLabels(node: TargetNode): readonly (readonly [string, string])[] {
  const labels = Object.entries(node.labels).filter(([key]) => key !== hostnameKeys.exact);
  return [...labels, [hostnameKeys.exact, node.name]];
}

/** One string for a label; NUL cannot occur in either part. */
export function labelToken(key: string, value: string): string {
  return `${key}\0${value}`;
}

/** Nodes by label and by key. Answers which nodes a selector could select, at the cost of its rarest term. */
export class NodeIndex {
  readonly #nodes = new Map<string, TargetNode>();
  readonly #byLabel = new Map<string, Set<string>>();
  readonly #byKey = new Map<string, Set<string>>();

  get(name: string): TargetNode | undefined {
    return this.#nodes.get(name);
  }

  set(node: TargetNode): void {
    this.remove(node.name);
    this.#nodes.set(node.name, node);
    for (const [key, value] of findableLabels(node)) {
      addTo(this.#byLabel, labelToken(key, value), node.name);
      addTo(this.#byKey, key, node.name);
    }
  }

  remove(name: string): void {
    const node = this.#nodes.get(name);
    if (node === undefined) return;
    for (const [key, value] of findableLabels(node)) {
      removeFrom(this.#byLabel, labelToken(key, value), name);
      removeFrom(this.#byKey, key, name);
    }
    this.#nodes.delete(name);
  }

  /** A superset of the nodes for which all terms hold; empty if there are no terms. */
  candidates(terms: readonly Term[], members: Members): Set<string> {
    return this.#namesIn(this.#rarest(terms, members));
  }

  /** The same where they are no more than `most`, else undefined; groups have no members here. */
  few(terms: readonly Term[], most: number): Set<string> | undefined {
    const rarest = this.#rarest(terms, () => new Set());
    return sizeOf(rarest) > most ? undefined : this.#namesIn(rarest);
  }

  #namesIn(pool: Pool): Set<string> {
    return new Set(pool === 'any' ? this.#nodes.keys() : pool.flatMap((set) => [...set]));
  }

  #rarest(terms: readonly Term[], members: Members): Pool {
    const [first = [], ...others] = terms.map((term) => this.#nodesFor(term, members));
    return others.reduce((best, next) => (sizeOf(next) < sizeOf(best) ? next : best), first);
  }

  /** The sets whose union holds every node for which the term holds. */
  #nodesFor(term: Term, members: Members): Pool {
    switch (term.type) {
      case 'hostname':
        return this.#withLabel(hostnameKeys.exact, term.names);
      case 'group':
        return [members(term.group)];
      case 'expression':
        return this.#nodesForExpression(term.expression);
      case 'hostname-glob':
      case 'all-hosts':
        return 'any';
    }
  }

  #nodesForExpression({ key, operator, values = [] }: ExpressionOf<Term>): Pool {
    if (operator === 'In') return this.#withLabel(key, values);
    if (operator === 'Exists') return [this.#byKey.get(key) ?? new Set<string>()];
    return 'any';
  }

  #withLabel(key: string, values: readonly string[]): Pool {
    return values.map((value) => this.#byLabel.get(labelToken(key, value)) ?? new Set<string>());
  }
}

type ExpressionOf<T> = T extends { readonly type: 'expression'; readonly expression: infer E }
  ? E
  : never;

type Members = (group: string) => ReadonlySet<string>;

type Pool = readonly ReadonlySet<string>[] | 'any';

function sizeOf(pool: Pool): number {
  return pool === 'any' ? Number.POSITIVE_INFINITY : pool.reduce((sum, set) => sum + set.size, 0);
}
