import type { Action, Line } from '../history.js';
import type { Commit, PolicyVersion, Truth } from '../truth.js';
import type { Violation } from './violation.js';

interface Operation {
  readonly action: Action;
  readonly at: number;
  end?: Extract<Line, { type: 'ok' | 'fail' | 'unknown' }>;
}

const CHANGE_OF = { delete: 'deleted', pause: 'paused', resume: 'resumed' } as const;

/** What was asked and answered, against what etcd says. */
export function checkOperations(lines: readonly Line[], truth: Truth): Violation[] {
  const operations = operationsOf(lines);
  const durable = [
    ...operations.flatMap((operation) => answered(operation, truth)),
    ...truth.commits.flatMap((commit) => asked(commit, operations)),
    ...twice(truth),
  ];
  const ordered = outOfOrder(operations, truth);
  return [
    ...durable.map((what): Violation => ({ rule: 'durable', at: 0, what })),
    ...ordered.map((what): Violation => ({ rule: 'ordered', at: 0, what })),
  ];
}

function operationsOf(lines: readonly Line[]): readonly Operation[] {
  const operations = new Map<number, Operation>();
  lines.forEach((line, index) => {
    if (line.type === 'invoke') operations.set(line.op, { action: line.action, at: index });
    const ended = line.type === 'ok' || line.type === 'fail' || line.type === 'unknown';
    const operation = ended ? operations.get(line.op) : undefined;
    if (ended && operation) operation.end = line;
  });
  return [...operations.values()];
}

/** After `unknown` both are right, so nothing is asked. */
function answered({ action, at, end }: Operation, truth: Truth): string[] {
  if (action.kind === 'apply') {
    const commit = commitOf(action, truth);
    if (end?.type === 'ok' && commit === undefined)
      return [`apply of ${action.policy} (${action.marker}) was answered, and etcd never had it`];
    if (end?.type === 'fail' && commit !== undefined)
      return [`apply of ${action.policy} (${action.marker}) was refused, and etcd has it`];
    const [said, is] = [end?.type === 'ok' ? end.revision : undefined, commit?.revision];
    if (said !== undefined && said !== is)
      return [`apply of ${action.policy} was answered with revision ${said}; it is ${is}`];
    return [];
  }
  if (end?.type !== 'ok') return [];
  const happened = truth.commits.some((commit) => isOf(commit, action, at, truth));
  return happened ? [] : [`${action.kind} was answered, and etcd never had it: ${name(action)}`];
}

function commitOf(action: Extract<Action, { kind: 'apply' }>, truth: Truth): Commit | undefined {
  return truth.commits.find(
    ({ policies }) => policies.get(action.policy)?.marker === action.marker,
  );
}

/** A policy that was paused already is answered as one that was paused now; a deletion is always one of its own. */
function isOf(commit: Commit, action: Action, invokedAt: number, truth: Truth): boolean {
  switch (action.kind) {
    case 'apply':
      return commit.policies.get(action.policy)?.marker === action.marker;
    case 'delete':
      return commit.at > invokedAt && commit.policies.get(action.policy)?.change === 'deleted';
    case 'pause':
    case 'resume':
      return commit.policies.get(action.policy)?.paused === (action.kind === 'pause');
    case 'label': {
      const labels = commit.nodes.get(action.node)?.labels ?? {};
      return Object.entries(action.labels).every(([key, value]) => labels[key] === value);
    }
    case 'enrol':
      return commit.nodes.get(action.node)?.nodeId !== undefined;
    case 'revoke':
      return truth.idsOf(action.node).some((id) => commit.revoked.includes(id));
    case 'replace':
      return isFreed(action.node, commit);
    case 'suspend':
      return [...commit.suspensions.values()].some((each) => each?.reason === action.reason);
    case 'end-suspension':
      return truth.endOf(action.reason) === commit.revision;
  }
}

/** The name is kept, and no machine has it. */
function isFreed(node: string, { nodes, revoked }: Commit): boolean {
  const found = nodes.get(node);
  return found !== undefined && found.nodeId === undefined && revoked.length > 0;
}

/** Whatever changed a policy was asked for. */
function asked({ policies }: Commit, operations: readonly Operation[]): string[] {
  return [...policies].flatMap(([policy, version]) => {
    const by = operations.some(({ action }) => isAsked(action, policy, version));
    return by ? [] : [`${policy} was ${version.change} at ${version.revision}; nobody asked`];
  });
}

function isAsked(action: Action, policy: string, { change, marker }: PolicyVersion): boolean {
  if (!('policy' in action) || action.policy !== policy) return false;
  return action.kind === 'apply' ? action.marker === marker : CHANGE_OF[action.kind] === change;
}

const isApply = ({ change }: PolicyVersion): boolean =>
  change === 'created' || change === 'configured';

/** No apply happens a second time: that would undo what came between. */
function twice(truth: Truth): string[] {
  const seen = new Map<string, number>();
  return truth.commits.flatMap(({ policies }) =>
    [...policies].flatMap(([policy, version]) => {
      if (!isApply(version) || version.marker === undefined) return [];
      const before = seen.get(version.marker);
      seen.set(version.marker, version.revision);
      return before === undefined
        ? []
        : [`${version.marker} of ${policy} was applied at ${before} and at ${version.revision}`];
    }),
  );
}

/** One that was invoked after another was answered has the later revision. */
function outOfOrder(operations: readonly Operation[], truth: Truth): string[] {
  const last = new Map<string, number>();
  return operations.flatMap(({ action, end }) => {
    if (action.kind !== 'apply' || end?.type !== 'ok') return [];
    const revision = commitOf(action, truth)?.revision ?? Infinity;
    const before = last.get(action.policy) ?? 0;
    last.set(action.policy, revision);
    return revision > before
      ? []
      : [`${action.marker} of ${action.policy} is at ${revision}, before ${before}`];
  });
}

function name(action: Action): string {
  if ('reason' in action) return action.reason;
  return 'policy' in action ? action.policy : action.node;
}
