import { parseSelector, TargetIndex } from '#policy-model';
import type { Scope } from '../access/scope.js';
import type { NodeRecord } from '../nodes/node.record.js';
import { suspends } from '../suspensions/active-suspension.js';
import type { SuspensionRecord } from '../suspensions/suspension.record.js';
import { FleetState } from './fleet-state.js';
import type { Shelf } from './shelf.js';

/**
 * The fleet as somebody with a scope sees it: the hosts of the scope; the policies and groups that select one of them,
 * or that could select no other; suspensions and exceptions that hold for one of them; all redirects. Counts and statuses are over
 * these hosts alone. It holds copies of nothing: records are those of the whole state, at its revision.
 */
export class FleetView extends FleetState {
  readonly madeAt: bigint;
  override readonly index: TargetIndex;

  constructor(
    private readonly whole: FleetState,
    scope: Scope,
  ) {
    super();
    this.madeAt = whole.revision;
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
    for (const { name, record, revision } of this.whole.nodes.sorted()) {
      if (!scope.has(record)) continue;
      this.nodes.set(name, { record, revision });
    }
  }

  #addGroups(scope: Scope): void {
    for (const { name, record, revision } of this.whole.groups.sorted()) {
      const shown = this.#anySeen(this.whole.index.membersOf(name));
      if (shown || scope.contains(record.document.spec.selector))
        this.groups.set(name, { record, revision });
    }
  }

  #addPolicies(scope: Scope): void {
    for (const { name, record, revision } of this.whole.policies.sorted()) {
      const shown = this.#anySeen(this.whole.index.nodesOf(name));
      if (shown || scope.contains(record.document?.spec.nodeSelector ?? {}))
        this.policies.set(name, { record, revision });
    }
  }

  #anySeen(nodes: ReadonlySet<string>): boolean {
    for (const node of nodes) if (this.nodes.get(node)) return true;
    return false;
  }

  #addBrakes(scope: Scope): void {
    const groups = this.groupSelectors();
    for (const { name, record, revision } of this.whole.suspensions.sorted()) {
      const holds = this.nodes.sorted().some((node) => suspends(record, node.record, groups));
      if (holds || couldOnlyHold(record, scope)) this.suspensions.set(name, { record, revision });
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
    private readonly seen: Shelf<NodeRecord>,
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
    return this.#only(this.whole.nodesOf(policy));
  }

  override countOf(policy: string): number {
    return this.nodesOf(policy).size;
  }

  override membersOf(group: string): ReadonlySet<string> {
    return this.#only(this.whole.membersOf(group));
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
