import { hostnameKeys } from './marks.js';
import { findableLabels, labelToken } from './node-index.js';
import type { TargetNode } from './node.js';
import { addTo, removeFrom } from './relation.js';
import type { Term } from './selector.js';

/** Selectors that no term narrows down (`*`, NotIn, all hosts): candidates for every node. */
const ANY = 'any';

interface Entry {
  readonly terms: readonly Term[];
  readonly drawers: readonly string[];
}

/**
 * Named selectors, each filed under one of its terms, so that a node finds those that could select it without looking
 * at the others. It is filed where fewest are filed already: a label that all policies share would sort nothing.
 */
export class SelectorIndex {
  readonly #entries = new Map<string, Entry>();
  readonly #drawers = new Map<string, Set<string>>();
  readonly #naming = new Map<string, Set<string>>();

  termsOf(name: string): readonly Term[] {
    return this.#entries.get(name)?.terms ?? [];
  }

  set(name: string, terms: readonly Term[]): void {
    this.remove(name);
    const drawers = this.#choose(terms);
    this.#entries.set(name, { terms, drawers });
    for (const drawer of drawers) addTo(this.#drawers, drawer, name);
    for (const group of groupsIn(terms)) addTo(this.#naming, group, name);
  }

  remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    for (const drawer of entry.drawers) removeFrom(this.#drawers, drawer, name);
    for (const group of groupsIn(entry.terms)) removeFrom(this.#naming, group, name);
    this.#entries.delete(name);
  }

  /** Names of a superset of the selectors that select the node. */
  candidates(node: TargetNode, groups: Iterable<string>): Set<string> {
    const drawers = [ANY];
    for (const [key, value] of findableLabels(node))
      drawers.push(forLabel(key, value), forKey(key));
    for (const group of groups) drawers.push(forGroup(group));
    return new Set(drawers.flatMap((drawer) => [...(this.#drawers.get(drawer) ?? [])]));
  }

  /** Names of the selectors that name a group. */
  naming(group: string): ReadonlySet<string> {
    return new Set(this.#naming.get(group));
  }

  #choose(terms: readonly Term[]): readonly string[] {
    const choices = terms.map(drawersFor).filter((drawers) => drawers !== undefined);
    const [first, ...others] = choices;
    if (first === undefined) return terms.length === 0 ? [] : [ANY];
    return others.reduce(
      (best, next) => (this.#load(next) < this.#load(best) ? next : best),
      first,
    );
  }

  #load(drawers: readonly string[]): number {
    return drawers.reduce((sum, drawer) => sum + (this.#drawers.get(drawer)?.size ?? 0), 0);
  }
}

/** The drawers one of which every node has for which the term holds; undefined if there is no such list. */
function drawersFor(term: Term): readonly string[] | undefined {
  if (term.type === 'hostname') return term.names.map((name) => forLabel(hostnameKeys.exact, name));
  if (term.type === 'group') return [forGroup(term.group)];
  if (term.type !== 'expression') return undefined;
  const { key, operator, values = [] } = term.expression;
  if (operator === 'In') return values.map((value) => forLabel(key, value));
  return operator === 'Exists' ? [forKey(key)] : undefined;
}

function groupsIn(terms: readonly Term[]): readonly string[] {
  return terms.flatMap((term) => (term.type === 'group' ? [term.group] : []));
}

function forLabel(key: string, value: string): string {
  return `label ${labelToken(key, value)}`;
}

function forKey(key: string): string {
  return `key ${key}`;
}

function forGroup(group: string): string {
  return `group ${group}`;
}
