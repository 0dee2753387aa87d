/**
 * Which policies hold on which nodes, kept up to date change by change (DESIGN D4). Every change returns the nodes whose
 * rule set must be made anew, and costs what it touches: a node looks only at selectors filed under its own labels,
 * name and groups, a selector only at the nodes of its rarest term. `selectsNode` is the definition; the property test
 * beside this file holds the two together over random histories.
 */
import type { LabelSelector, PolicySelector } from './kinds.js';
import { NodeIndex } from './node-index.js';
import type { TargetNode } from './node.js';
import { Relation } from './relation.js';
import { SelectorIndex } from './selector-index.js';
import { termsHold, termsOf } from './selector.js';

export class TargetIndex {
  readonly #nodes = new NodeIndex();
  readonly #groups = new SelectorIndex();
  readonly #policies = new SelectorIndex();
  /** (group, node) */
  readonly #members = new Relation();
  /** (policy, node) */
  readonly #selected = new Relation();

  /** Adds a node or changes its labels. Affected: the node, if it is new or its policies are others than before. */
  setNode(node: TargetNode): ReadonlySet<string> {
    const known = this.#nodes.get(node.name) !== undefined;
    this.#nodes.set(node);
    const groups = this.#groups.candidates(node, []).union(this.groupsOf(node.name));
    for (const group of groups) this.#judgeMember(group, node);
    const policies = this.#policies
      .candidates(node, this.groupsOf(node.name))
      .union(this.policiesOf(node.name));
    const changed = [...policies].filter((policy) => this.#judge(policy, node));
    return new Set(known && changed.length === 0 ? [] : [node.name]);
  }

  /** Affected: the node, if it was there. */
  removeNode(name: string): ReadonlySet<string> {
    if (this.#nodes.get(name) === undefined) return new Set();
    for (const group of this.groupsOf(name)) this.#members.put(group, name, false);
    for (const policy of this.policiesOf(name)) this.#selected.put(policy, name, false);
    this.#nodes.remove(name);
    return new Set([name]);
  }

  /**
   * Adds a policy, or says that its document changed. Affected: every node that it selected or selects, since the
   * document may have changed where the selector has not.
   */
  setPolicy(name: string, selector: PolicySelector): ReadonlySet<string> {
    const before = this.nodesOf(name);
    this.#policies.set(name, termsOf(selector));
    for (const node of this.#candidates(this.#policies, name).union(before)) {
      this.#withNode(node, (target) => this.#judge(name, target));
    }
    return before.union(this.nodesOf(name));
  }

  /** Affected: the nodes that it selected. */
  removePolicy(name: string): ReadonlySet<string> {
    const before = this.nodesOf(name);
    for (const node of before) this.#selected.put(name, node, false);
    this.#policies.remove(name);
    return before;
  }

  /** Adds or changes a group. Affected: the nodes whose policies are others than before. */
  setGroup(name: string, selector: LabelSelector): ReadonlySet<string> {
    this.#groups.set(name, termsOf(selector));
    return this.#regroup(name, this.#candidates(this.#groups, name).union(this.membersOf(name)));
  }

  /** Affected: the nodes that lose a policy by it. */
  removeGroup(name: string): ReadonlySet<string> {
    this.#groups.remove(name);
    return this.#regroup(name, this.membersOf(name));
  }

  /** Whether a policy selects a node. */
  selects(policy: string, node: string): boolean {
    return this.#selected.has(policy, node);
  }

  /** Names of the policies that select a node; a copy. */
  policiesOf(node: string): ReadonlySet<string> {
    return this.#selected.leftsOf(node);
  }

  /** Names of the nodes that a policy selects; a copy. */
  nodesOf(policy: string): Set<string> {
    return this.#selected.rightsOf(policy);
  }

  /** How many nodes a policy selects. */
  countOf(policy: string): number {
    return this.#selected.countOf(policy);
  }

  /** Names of the nodes in a group; a copy. */
  membersOf(group: string): ReadonlySet<string> {
    return this.#members.rightsOf(group);
  }

  /** Names of the groups a node is in; a copy. */
  groupsOf(node: string): ReadonlySet<string> {
    return this.#members.leftsOf(node);
  }

  #candidates(selectors: SelectorIndex, name: string): Set<string> {
    return this.#nodes.candidates(selectors.termsOf(name), (group) => this.membersOf(group));
  }

  #regroup(group: string, nodes: Iterable<string>): ReadonlySet<string> {
    const policies = this.#policies.naming(group);
    const affected = new Set<string>();
    for (const name of nodes) {
      this.#withNode(name, (node) => {
        if (!this.#judgeMember(group, node)) return;
        const changed = [...policies].filter((policy) => this.#judge(policy, node));
        if (changed.length > 0) affected.add(name);
      });
    }
    return affected;
  }

  #withNode(name: string, act: (node: TargetNode) => unknown): void {
    const node = this.#nodes.get(name);
    if (node !== undefined) act(node);
  }

  #judgeMember(group: string, node: TargetNode): boolean {
    const holds = termsHold(this.#groups.termsOf(group), node, () => false);
    return this.#members.put(group, node.name, holds);
  }

  #judge(policy: string, node: TargetNode): boolean {
    const holds = termsHold(this.#policies.termsOf(policy), node, (group) =>
      this.#members.has(group, node.name),
    );
    return this.#selected.put(policy, node.name, holds);
  }
}
