import { parseSelector, TargetIndex, type LabelSelector, type PolicySelector } from '#policy-model';
import type { Scope } from '../auth/scope.js';
import type { NodeRecord } from '../records/node.record.js';
import type { SuspensionRecord } from '../records/suspension.record.js';
import { FleetState } from './fleet-state.js';
import { candidateNodes } from './nodes-in-order.js';
import type { RecordIndex } from './record-index.js';

/**
 * The fleet as somebody with a scope sees it: the hosts of the scope; the policies and groups that select one of them,
 * or that could select no other; suspensions and exceptions that hold for one of them; all redirects. Counts and statuses are over
 * these hosts alone. It holds copies of nothing: records are those of the whole state, at its revision.
 */
export class FleetView extends FleetState {
  readonly madeAt: bigint;
  /** Of how many messages the whole was made then. */
  readonly madeOf: number;
  override readonly index: TargetIndex;

  constructor(
    private readonly whole: FleetState,
    scope: Scope,
  ) {
    super();
    this.madeAt = whole.revision;
    this.madeOf = whole.taken;
    this.index = new IndexView(whole.index, this.nodes);
    this.#addNodes(scope);
    this.#addGroups(scope);
    this.#addPolicies(scope);
    this.#addBrakes(scope);
  }

  override get revision(): bigint {
    return this.madeAt;
  }

  override nameOf(nodeId: string): string | undefined {
    const name = this.whole.nameOf(nodeId);
    return name !== undefined && this.nodes.get(name) ? name : undefined;
  }

  override revocationOf(nodeId: string | undefined): ReturnType<FleetState['revocationOf']> {
    return this.whole.revocationOf(nodeId);
  }

  #addNodes(scope: Scope): void {
    for (const { name, record, revision } of candidateNodes(this.whole, scope.selector)) {
      if (scope.has(record)) this.nodes.set(name, { record, revision });
    }
  }

  #addGroups(scope: Scope): void {
    const seen = this.#ofSeen((node) => this.whole.index.groupsOf(node));
    for (const { name, record, revision } of this.whole.groups.sorted()) {
      if (seen.has(name) || scope.contains(record.document.spec.selector))
        this.groups.set(name, { record, revision });
    }
  }

  #addPolicies(scope: Scope): void {
    const seen = this.#ofSeen((node) => this.whole.index.policiesOf(node));
    for (const { name, record, revision } of this.whole.policies.sorted()) {
      if (seen.has(name) || scope.contains(record.document?.spec.nodeSelector ?? {}))
        this.policies.set(name, { record, revision });
    }
  }

  /** All that `namesOf` says of the hosts that are seen. */
  #ofSeen(namesOf: (node: string) => ReadonlySet<string>): ReadonlySet<string> {
    const found = new Set<string>();
    for (const { name } of this.nodes.sorted()) for (const each of namesOf(name)) found.add(each);
    return found;
  }

  #addBrakes(scope: Scope): void {
    const seen = this.#ofSeen((node) => this.whole.index.suspensionsOf(node));
    for (const { name, record, revision } of this.whole.suspensions.sorted()) {
      if (seen.has(name) || couldOnlyHold(record, scope))
        this.suspensions.set(name, { record, revision });
    }
    for (const { name, record, revision } of this.whole.exceptions.sorted()) {
      if (this.policies.get(record.madePolicy)) this.exceptions.set(name, { record, revision });
    }
    for (const { name, record, revision } of this.whole.redirects.sorted())
      this.redirects.set(name, { record, revision });
  }
}

/** What the whole index says of the hosts that are seen; nothing is computed anew. */
class IndexView extends TargetIndex {
  constructor(
    private readonly whole: TargetIndex,
    private readonly seen: RecordIndex<NodeRecord>,
  ) {
    super();
  }

  override selects(policy: string, node: string): boolean {
    return this.seen.get(node) !== undefined && this.whole.selects(policy, node);
  }

  override policiesOf(node: string): ReadonlySet<string> {
    return this.seen.get(node) ? this.whole.policiesOf(node) : new Set();
  }

  override groupsOf(node: string): ReadonlySet<string> {
    return this.seen.get(node) ? this.whole.groupsOf(node) : new Set();
  }

  override nodesOf(policy: string): Set<string> {
    if (this.whole.countOf(policy) <= this.seen.size) return this.#only(this.whole.nodesOf(policy));
    const seen = this.seen.sorted().map(({ name }) => name);
    return new Set(seen.filter((node) => this.whole.selects(policy, node)));
  }

  override countOf(policy: string): number {
    return this.nodesOf(policy).size;
  }

  override suspensionsOf(node: string): ReadonlySet<string> {
    return this.seen.get(node) ? this.whole.suspensionsOf(node) : new Set();
  }

  override membersOf(group: string): ReadonlySet<string> {
    return this.#only(this.whole.membersOf(group));
  }

  override few(selector: LabelSelector, most: number): ReadonlySet<string> | undefined {
    const few = this.whole.few(selector, most);
    return few && this.#only(few);
  }

  override membersBy(selector: LabelSelector): Set<string> {
    return this.#only(this.whole.membersBy(selector));
  }

  override nodesBy(
    selector: PolicySelector,
    members: ReadonlyMap<string, ReadonlySet<string>>,
  ): Set<string> {
    return this.#only(this.whole.nodesBy(selector, members));
  }

  #only(nodes: ReadonlySet<string>): Set<string> {
    return new Set([...nodes].filter((node) => this.seen.get(node)));
  }
}

function couldOnlyHold({ target }: SuspensionRecord, scope: Scope): boolean {
  if (target.selector === undefined) return false;
  try {
    return scope.contains(parseSelector(target.selector));
  } catch {
    // Nobody can read it, so it holds for nobody.
    return false;
  }
}
