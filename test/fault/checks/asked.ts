import { isDeepStrictEqual } from 'node:util';
import type { Action } from '../history.js';
import {
  labelsOf,
  type Commit,
  type NodeVersion,
  type PolicyVersion,
  type Suspension,
  type Truth,
} from '../truth.js';
import type { Operation } from './operation.js';

const CHANGE_OF = { delete: 'deleted', pause: 'paused', resume: 'resumed' } as const;

/** Whatever was committed somebody had asked for, for each time that it was. */
export function asked(operations: readonly Operation[], truth: Truth): string[] {
  const counts = new Map<string, number>();
  return truth.commits.flatMap((commit) => {
    const actions = operations.flatMap(({ action, at }) => (at < commit.at ? [action] : []));
    return [
      ...policies(commit, actions, counts),
      ...nodes(commit, actions, truth, counts),
      ...revocations(commit, actions, truth),
      ...suspensions(commit, actions, truth, counts),
    ];
  });
}

/** How often this was seen, with this time. */
function again(what: string, counts: Map<string, number>): number {
  const times = (counts.get(what) ?? 0) + 1;
  counts.set(what, times);
  return times;
}

/** No operation happens a second time: that would undo what came between. */
function policies(
  { policies: changed, revision }: Commit,
  actions: readonly Action[],
  counts: Map<string, number>,
): string[] {
  return [...changed].flatMap(([policy, version]) => {
    const by = actions.filter((action) => isAsked(action, policy, version));
    const what = isApply(version) ? `${version.marker}` : version.change;
    const times = again(`${policy} ${what}`, counts);
    if (by.length === 0) return [`${policy} was ${version.change} at ${revision}; nobody asked`];
    const most = isApply(version) ? 1 : by.length;
    if (times <= most) return [];
    return [`${policy} was ${version.change} (${what}) at ${revision}, once more than asked`];
  });
}

export const isApply = ({ change }: PolicyVersion): boolean =>
  change === 'created' || change === 'configured';

function isAsked(action: Action, policy: string, version: PolicyVersion): boolean {
  if (!('policy' in action) || action.policy !== policy) return false;
  return action.kind === 'apply'
    ? isApply(version) && action.marker === version.marker
    : CHANGE_OF[action.kind] === version.change;
}

/** What the product itself notes of a host changes neither its machine nor its labels. */
function nodes(
  { nodes: changed, revision }: Commit,
  actions: readonly Action[],
  truth: Truth,
  counts: Map<string, number>,
): string[] {
  return [...changed].flatMap(([node, now]) => {
    const before = truth.nodeAt(node, revision - 1);
    const by = changeOf(before, now);
    if (by === undefined) return [];
    const of = actions.filter((action) => 'node' in action && action.node === node);
    const asked = of.filter(({ kind }) => kind === by);
    const what = `${node} was changed by ${by} at ${revision}, to ${JSON.stringify(now)}`;
    if (again(`${node} ${by}`, counts) > asked.length) return [`${what}; nobody asked`];
    if (by !== 'label' || asked.some((action) => isLabelled(action, before, now))) return [];
    return [`${what}; nobody asked for these labels`];
  });
}

/** By what a host becomes what it is now; undefined where that is neither another machine nor other labels. */
export function changeOf(before: NodeVersion | undefined, now: NodeVersion | undefined) {
  if (now === undefined) return 'offboarding';
  if (now.nodeId === before?.nodeId)
    return isDeepStrictEqual(now.labels, before?.labels) ? undefined : 'label';
  if (now.nodeId === undefined) return 'replace';
  return before?.nodeId === undefined ? 'enrol' : 'another identity';
}

function isLabelled(action: Action, before?: NodeVersion, now?: NodeVersion): boolean {
  if (action.kind !== 'label') return false;
  return isDeepStrictEqual({ ...before?.labels, ...action.labels }, now?.labels);
}

function revocations({ revoked, revision }: Commit, actions: readonly Action[], truth: Truth) {
  return revoked.flatMap((id): string[] => {
    const by = actions.some(
      (action) =>
        (action.kind === 'revoke' || action.kind === 'replace') &&
        truth.idsOf(action.node).includes(id),
    );
    return by ? [] : [`${id} was revoked at ${revision}; nobody asked`];
  });
}

/** Of a host that is given up they end with it. */
function suspensions(
  { suspensions: changed, nodes: hosts, revision }: Commit,
  actions: readonly Action[],
  truth: Truth,
  counts: Map<string, number>,
): string[] {
  return [...changed].flatMap(([id, now]) => {
    const before = truth.suspensionAt(id, revision - 1);
    const what = now ?? before;
    if (what === undefined) return [];
    const isAsked = actions.some((action) => {
      if (action.kind === 'suspend') return now !== undefined && isMeant(action, now);
      return now === undefined && action.kind === 'end-suspension' && action.reason === what.reason;
    });
    const withHost = now === undefined && hosts.has(what.target.node ?? '');
    const how = now === undefined ? 'ended' : 'made';
    const name = `the break-glass "${what.reason}"`;
    if (!isAsked && !withHost) return [`${name} was ${how} at ${revision}; nobody asked`];
    if (again(`${how} ${what.reason}`, counts) === 1) return [];
    return [`${name} was ${how} at ${revision}, a second time`];
  });
}

function isMeant(
  { reason, mode, target }: Extract<Action, { kind: 'suspend' }>,
  now: Suspension,
): boolean {
  const isTarget =
    'node' in target
      ? now.target.node === target.node
      : isDeepStrictEqual(labelsOf(now.target.selector ?? ''), target.labels);
  return isTarget && now.reason === reason && now.mode === mode;
}
