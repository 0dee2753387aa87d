import type { PolicySelector } from './kinds.js';
import type { NodeIndex } from './node-index.js';
import type { TargetNode } from './node.js';
import { Relation } from './relation.js';
import { SelectorIndex } from './selector-index.js';
import { termsHold, termsOf } from './selector.js';

/** What a selection asks of groups. */
type Memberships = Pick<Selection, 'nodesOf' | 'selects'>;

/** No node is in any group. */
export const NO_GROUPS: Memberships = { nodesOf: () => new Set(), selects: () => false };

/** Named selectors of one kind, and which nodes each of them selects. Every change costs what it touches. */
export class Selection {
  readonly #selectors = new SelectorIndex();
  /** (selector, node) */
  readonly #selected = new Relation();

  constructor(
    private readonly nodes: NodeIndex,
    private readonly groups: Memberships,
  ) {}

  /** Adds a selector or changes it. Answers every node that it selected or selects. */
  set(name: string, selector: PolicySelector): Set<string> {
    const before = this.nodesOf(name);
    const terms = termsOf(selector);
    this.#selectors.set(name, terms);
    const members = (group: string): ReadonlySet<string> => this.groups.nodesOf(group);
    for (const node of this.nodes.candidates(terms, members).union(before)) this.#look(name, node);
    return before.union(this.nodesOf(name));
  }

  /** Answers the nodes that it selected. */
  remove(name: string): Set<string> {
    const before = this.nodesOf(name);
    for (const node of before) this.#selected.put(name, node, false);
    this.#selectors.remove(name);
    return before;
  }

  /** Looks at a node that is new, or whose labels or groups changed; true if others select it than before. */
  setNode(node: TargetNode, groups: Iterable<string>): boolean {
    const names = this.#selectors.candidates(node, groups).union(this.namesOf(node.name));
    return [...names].filter((name) => this.#judge(name, node)).length > 0;
  }

  removeNode(node: string): void {
    for (const name of this.namesOf(node)) this.#selected.put(name, node, false);
  }

  /** Looks at nodes that came into a group or left it. Answers those that others select than before. */
  regroup(group: string, moved: ReadonlySet<string>): Set<string> {
    const names = [...this.#selectors.naming(group)];
    return new Set(
      [...moved].filter((node) => names.filter((name) => this.#look(name, node)).length > 0),
    );
  }

  selects(name: string, node: string): boolean {
    return this.#selected.has(name, node);
  }

  /** Names of the selectors that select a node; a copy. */
  namesOf(node: string): Set<string> {
    return this.#selected.leftsOf(node);
  }

  /** Names of the nodes that a selector selects; a copy. */
  nodesOf(name: string): Set<string> {
    return this.#selected.rightsOf(name);
  }

  /** How many nodes a selector selects. */
  countOf(name: string): number {
    return this.#selected.countOf(name);
  }

  #look(name: string, node: string): boolean {
    const target = this.nodes.get(node);
    return target !== undefined && this.#judge(name, target);
  }

  #judge(name: string, node: TargetNode): boolean {
    const holds = termsHold(this.#selectors.termsOf(name), node, (group) =>
      this.groups.selects(group, node.name),
    );
    return this.#selected.put(name, node.name, holds);
  }
}
