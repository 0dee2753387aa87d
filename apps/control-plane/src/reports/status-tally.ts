import { RULE_STATES, type NodePolicyStatus, type ReasonGroup, type StatusGroup } from '#contracts';

const EXAMPLES = 5;
const REASONS = 10;

/** Hosts that are counted together, and the first names of them. */
class Counted {
  hosts = 0;
  readonly examples: string[] = [];

  add(node: string): void {
    this.hosts += 1;
    if (this.examples.length < EXAMPLES) this.examples.push(node);
  }
}

class Group extends Counted {
  readonly #reasons = new Map<string, Counted>();

  constructor(private readonly like: NodePolicyStatus) {
    super();
  }

  because(node: string, reason: string): void {
    const found = this.#reasons.get(reason) ?? new Counted();
    this.#reasons.set(reason, found);
    found.add(node);
  }

  view(): StatusGroup {
    const { state, conditions, kept } = this.like;
    const { hosts, examples } = this;
    return { state, conditions, kept, hosts, examples, reasons: this.#commonest() };
  }

  #commonest(): readonly ReasonGroup[] {
    return [...this.#reasons]
      .map(([reason, { hosts, examples }]) => ({ reason, hosts, examples }))
      .sort((one, other) => other.hosts - one.hosts)
      .slice(0, REASONS);
  }
}

/** Counts hosts by how a policy stands on them, and why. */
export class StatusTally {
  readonly #groups = new Map<string, Group>();
  hosts = 0;
  stragglers = 0;

  add(line: NodePolicyStatus, reason: string | undefined): void {
    const { node, state, conditions, kept } = line;
    const key = `${RULE_STATES.indexOf(state)} ${conditions.toSorted().join()} ${kept}`;
    const group = this.#groups.get(key) ?? new Group(line);
    this.#groups.set(key, group);
    group.add(node);
    if (reason !== undefined) group.because(node, reason);
    this.hosts += 1;
    if (!kept) this.stragglers += 1;
  }

  /** In the order of RULE_STATES, within a state those without conditions first. */
  groups(): readonly StatusGroup[] {
    return [...this.#groups]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .map(([, group]) => group.view());
  }
}
