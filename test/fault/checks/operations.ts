import type { Action, Line } from '../history.js';
import type { Commit, Truth } from '../truth.js';
import { asked } from './asked.js';
import { Bounds } from './bounds.js';
import { nameOf, operationsOf, type Operation } from './operation.js';
import type { Violation } from './violation.js';

type Found = Pick<Violation, 'rule' | 'what'>;

/** What was asked and answered, against what etcd says. */
export function checkOperations(lines: readonly Line[], truth: Truth): Violation[] {
  const operations = operationsOf(lines);
  const answers = new Answers(lines, truth, new Bounds(operations, truth));
  const found = [
    ...operations.flatMap((operation) => answers.judge(operation)),
    ...asked(operations, truth).map((what): Found => ({ rule: 'durable', what })),
  ];
  return found.map((each) => ({ ...each, at: 0 }));
}

/** What was answered has happened before the answer, and after it was asked. After `unknown` both are right. */
class Answers {
  /** By its kind, name and revision: one change is not the answer to two operations. */
  readonly #taken = new Set<string>();
  /** Index of the line at which an apply was asked for first, by its marker. */
  readonly #asked = new Map<string, number>();

  constructor(
    private readonly lines: readonly Line[],
    private readonly truth: Truth,
    private readonly bounds: Bounds,
  ) {}

  judge({ action, at, end, endedAt }: Operation): Found[] {
    if (action.kind === 'apply') return this.#apply(action, { at, end, endedAt });
    if (end?.type !== 'ok') return [];
    const lowest = this.bounds.lowest(at);
    const happened = isChange(action)
      ? this.#changedAfter(lowest, action)
      : this.#isSoFrom(lowest, action, endedAt);
    const said = `${action.kind} of ${nameOf(action)} was answered`;
    if (happened === undefined)
      return [{ rule: 'durable', what: `${said}, and etcd never had it` }];
    if (happened <= this.bounds.highest(endedAt)) return [];
    return [{ rule: 'ordered', what: `${said}; it is at ${happened}, after what came later` }];
  }

  /** One that is asked for again, since it was not answered, is answered without a revision where it had happened. */
  #apply(
    { policy, marker }: Extract<Action, { kind: 'apply' }>,
    { at, end, endedAt }: Omit<Operation, 'action'>,
  ): Found[] {
    const is = this.truth.applyOf(policy, marker);
    const asked = this.#asked.get(marker) ?? at;
    this.#asked.set(marker, asked);
    const what = `apply of ${policy} (${marker})`;
    const durable = (how: string): Found[] => [{ rule: 'durable', what: `${what} was ${how}` }];
    if (end?.type === 'fail' && is !== undefined) return durable('refused, and etcd has it');
    if (end?.type !== 'ok') return [];
    if (is === undefined) return durable('answered, and etcd never had it');
    if (end.revision !== undefined && end.revision !== is)
      return durable(`answered with revision ${end.revision}; it is ${is}`);
    const [above, highest] = [this.bounds.lowest(asked), this.bounds.highest(endedAt)];
    if (is > above && is <= highest) return [];
    return [{ rule: 'ordered', what: `${what} is at ${is}, not between ${above} and ${highest}` }];
  }

  /** The first revision that made this change for no operation before. */
  #changedAfter(lowest: number, action: Change): number | undefined {
    const found = this.truth.commits.find((commit) => {
      if (commit.revision <= lowest || !isChangedBy(commit, action, this.truth)) return false;
      return !this.#taken.has(taking(action, commit.revision));
    });
    if (found) this.#taken.add(taking(action, found.revision));
    return found?.revision;
  }

  /** The first revision from this one on at which it is so: who asks for what is so already is answered too. */
  #isSoFrom(lowest: number, action: State | Enrolment, endedAt: number): number | undefined {
    const later = this.truth.commits.filter(({ revision }) => revision > lowest);
    const revisions = [lowest, ...later.map(({ revision }) => revision)];
    if (action.kind !== 'enrol')
      return revisions.find((revision) => isSo(action, revision, this.truth));
    const begun = this.lines.findLastIndex(
      (line, at) => at < endedAt && line.type === 'renewed' && line.node === action.node,
    );
    return revisions.find((revision) => isEnrolled(action.node, revision, begun, this.truth));
  }
}

/** Such an operation is refused where it is done already, so what was answered is its own. */
const CHANGES = ['delete', 'replace', 'suspend', 'end-suspension'] as const;
type Change = Extract<Action, { kind: (typeof CHANGES)[number] }>;
type Enrolment = Extract<Action, { kind: 'enrol' }>;
type State = Exclude<Action, Change | Enrolment | { kind: 'apply' }>;

const taking = (action: Change, revision: number): string =>
  `${action.kind} ${nameOf(action)} ${revision}`;

function isChange(action: Action): action is Change {
  return (CHANGES as readonly string[]).includes(action.kind);
}

function isChangedBy(commit: Commit, action: Change, truth: Truth): boolean {
  switch (action.kind) {
    case 'delete':
      return commit.policies.get(action.policy)?.change === 'deleted';
    case 'replace':
      return isFreed(action.node, commit, truth);
    case 'suspend':
      return [...commit.suspensions.values()].some((each) => each?.reason === action.reason);
    case 'end-suspension':
      return truth.endOf(action.reason) === commit.revision;
  }
}

/** The name is kept, no machine has it, and the one that had it is revoked. */
function isFreed(node: string, { nodes, revision }: Commit, truth: Truth): boolean {
  const found = nodes.get(node);
  const had = truth.nodeAt(node, revision - 1)?.nodeId;
  const revoked = truth.revokedAt(had) ?? Infinity;
  return found !== undefined && found.nodeId === undefined && revoked <= revision;
}

function isSo(action: State, revision: number, truth: Truth): boolean {
  switch (action.kind) {
    case 'pause':
    case 'resume': {
      const policy = truth.policyAt(action.policy, revision);
      return policy?.selector !== undefined && policy.paused === (action.kind === 'pause');
    }
    case 'label': {
      const labels = truth.nodeAt(action.node, revision)?.labels ?? {};
      return Object.entries(action.labels).every(([key, value]) => labels[key] === value);
    }
    case 'revoke': {
      const revoked = truth.revokedAt(truth.nodeAt(action.node, revision)?.nodeId);
      return (revoked ?? Infinity) <= revision;
    }
  }
}

/** It has an identity that came after `begun`, the index of the line from which on its machine is the one of now. */
function isEnrolled(node: string, revision: number, begun: number, truth: Truth): boolean {
  const nodeId = truth.nodeAt(node, revision)?.nodeId;
  if (nodeId === undefined) return false;
  const enrolled = truth.commits.find(({ nodes }) => nodes.get(node)?.nodeId === nodeId);
  return enrolled !== undefined && enrolled.at > begun;
}
