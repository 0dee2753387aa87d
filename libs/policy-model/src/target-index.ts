/**
 * Which policies and suspensions hold on which nodes, kept up to date change by change (D4). Every change returns
 * the nodes whose assignment must be made anew, and costs what it touches: a node looks only at selectors filed under its
 * own labels, name and groups, a selector only at the nodes of its rarest term. `selectsNode` is the definition; the
 * property test beside this file holds the two together over random histories.
 */
import type { LabelSelector, PolicySelector } from './kinds.js';
import { NodeIndex } from './node-index.js';
import type { TargetNode } from './node.js';
import { NO_GROUPS, Selection } from './selection.js';
import { termsHold, termsOf } from './selector.js';

export class TargetIndex {
  readonly #nodes = new NodeIndex();
  readonly #groups = new Selection(this.#nodes, NO_GROUPS);
  readonly #policies = new Selection(this.#nodes, this.#groups);
  readonly #suspensions = new Selection(this.#nodes, this.#groups);

  /** Adds a node or changes its labels. Affected: the node, if it is new or others hold on it than before. */
  setNode(node: TargetNode): ReadonlySet<string> {
    const known = this.#nodes.get(node.name) !== undefined;
    this.#nodes.set(node);
    this.#groups.setNode(node, []);
    const groups = this.groupsOf(node.name);
    const policies = this.#policies.setNode(node, groups);
    const suspensions = this.#suspensions.setNode(node, groups);
    return new Set(known && !policies && !suspensions ? [] : [node.name]);
  }

  /** Affected: the node, if it was there. */
  removeNode(name: string): ReadonlySet<string> {
    if (this.#nodes.get(name) === undefined) return new Set();
    for (const each of [this.#groups, this.#policies, this.#suspensions]) each.removeNode(name);
    this.#nodes.remove(name);
    return new Set([name]);
  }

  /**
   * Adds a policy, or says that its document changed. Affected: every node that it selected or selects, since the
   * document may have changed where the selector has not.
   */
  setPolicy(name: string, selector: PolicySelector): ReadonlySet<string> {
    return this.#policies.set(name, selector);
  }

  /** Affected: the nodes that it selected. */
  removePolicy(name: string): ReadonlySet<string> {
    return this.#policies.remove(name);
  }

  /** Adds a suspension or changes it. Affected: every node that it was for or is for. */
  setSuspension(id: string, selector: PolicySelector): ReadonlySet<string> {
    return this.#suspensions.set(id, selector);
  }

  /** Affected: the nodes that it was for. */
  removeSuspension(id: string): ReadonlySet<string> {
    return this.#suspensions.remove(id);
  }

  /** Adds or changes a group. Affected: the nodes on which others hold than before. */
  setGroup(name: string, selector: LabelSelector): ReadonlySet<string> {
    const before = this.membersOf(name);
    this.#groups.set(name, selector);
    return this.#regroup(name, before.symmetricDifference(this.membersOf(name)));
  }

  /** Affected: the nodes on which others hold than before. */
  removeGroup(name: string): ReadonlySet<string> {
    return this.#regroup(name, this.#groups.remove(name));
  }

  /** Whether a policy selects a node. */
  selects(policy: string, node: string): boolean {
    return this.#policies.selects(policy, node);
  }

  /** Names of the policies that select a node; a copy. */
  policiesOf(node: string): ReadonlySet<string> {
    return this.#policies.namesOf(node);
  }

  /** Names of the nodes that a policy selects; a copy. */
  nodesOf(policy: string): Set<string> {
    return this.#policies.nodesOf(policy);
  }

  /** How many nodes a policy selects. */
  countOf(policy: string): number {
    return this.#policies.countOf(policy);
  }

  /** Ids of the suspensions that are for a node; a copy. */
  suspensionsOf(node: string): ReadonlySet<string> {
    return this.#suspensions.namesOf(node);
  }

  /** Names of the nodes in a group; a copy. */
  membersOf(group: string): ReadonlySet<string> {
    return this.#groups.nodesOf(group);
  }

  /** Names of the groups a node is in; a copy. */
  groupsOf(node: string): ReadonlySet<string> {
    return this.#groups.namesOf(node);
  }

  /**
   * Names of a superset of the nodes that a selector without groups selects, at the cost of its rarest term; undefined
   * where they are more than `most`.
   */
  few(selector: LabelSelector, most: number): ReadonlySet<string> | undefined {
    return this.#nodes.few(termsOf(selector), most);
  }

  /** Names of the nodes that a group of this selector would have, at the cost of its rarest term. */
  membersBy(selector: LabelSelector): Set<string> {
    return this.#selectedBy(selector, () => new Set());
  }

  /**
   * Names of the nodes that a policy of this selector would select, at the cost of its rarest term, where these groups had
   * these members; the others are as they are.
   */
  nodesBy(
    selector: PolicySelector,
    members: ReadonlyMap<string, ReadonlySet<string>>,
  ): Set<string> {
    return this.#selectedBy(selector, (group) => members.get(group) ?? this.#groups.nodesOf(group));
  }

  #selectedBy(
    selector: PolicySelector,
    members: (group: string) => ReadonlySet<string>,
  ): Set<string> {
    const terms = termsOf(selector);
    const groups = terms.flatMap((term) => (term.type === 'group' ? [term.group] : []));
    const of = new Map(groups.map((group) => [group, members(group)]));
    const inGroups = (node: string) => (group: string) => of.get(group)?.has(node) === true;
    const found = this.#nodes.candidates(terms, (group) => of.get(group) ?? new Set());
    return new Set(
      [...found].filter((name) => {
        const node = this.#nodes.get(name);
        return node !== undefined && termsHold(terms, node, inGroups(name));
      }),
    );
  }

  #regroup(group: string, moved: ReadonlySet<string>): ReadonlySet<string> {
    const policies = this.#policies.regroup(group, moved);
    return policies.union(this.#suspensions.regroup(group, moved));
  }
}
