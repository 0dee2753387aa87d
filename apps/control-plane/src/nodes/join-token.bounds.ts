import { etcdKeys, type Condition } from '#etcd';
import { groupSelects, type TargetNode } from '#policy-model';
import { Scope } from '../auth/scope.js';
import type { FleetState } from '../store/fleet-state.js';
import { ProblemError, invalidField } from '../http/index.js';
import type { JoinTokenRecord } from '../records/join-token.record.js';

type Labels = Readonly<Record<string, string>>;

/**
 * The groups that a join token names. A group is a selector, so a token cannot put a host into one: it is refused (400)
 * unless each is there in what the caller sees, and selects every host with these labels, whatever its name.
 */
export function checkedGroups(
  names: readonly unknown[],
  labels: Labels,
  seen: FleetState,
): readonly string[] {
  return [...new Set(names)].map((name, at) => checkedGroup(name, { at, labels, seen }));
}

interface Checked {
  readonly at: number;
  readonly labels: Labels;
  readonly seen: FleetState;
}

function checkedGroup(name: unknown, { at, labels, seen }: Checked): string {
  const field = `groups[${at}]`;
  if (typeof name !== 'string' || !seen.groups.get(name))
    throw invalidField(field, name, 'is no group here', 'look at hostward get groups');
  // No host has this name, so that a group of names is none that labels lead into.
  if (groupSelects(name, { name: '', labels }, seen.groupSelectors())) return name;
  const problem = `does not select hosts with the labels ${textOf(labels)}`;
  const remedy = `give the token labels that the group selects (hostward describe group ${name})`;
  throw invalidField(field, name, problem, remedy);
}

/**
 * Throws 403 for a host of another name than the token is for, one that would not be in every group of it, or outside
 * the scope of who made it: labels that were declared for a host outweigh those of a token, and groups change.
 */
export function checkBounds(
  { groups = [], scope, node }: JoinTokenRecord,
  host: TargetNode,
  state: FleetState,
): void {
  if (node !== undefined && node !== host.name) {
    const detail = `the join token is for the host ${node}, not for ${host.name}`;
    throw new ProblemError('not-permitted', { detail });
  }
  const left = groups.find((group) => !groupSelects(group, host, state.groupSelectors()));
  if (left !== undefined) {
    const why = state.groups.get(left) ? 'does not select' : 'is not there any more to select';
    const detail = `the join token is for hosts of the group ${left}, which ${why} ${host.name} with the labels ${textOf(host.labels)}`;
    throw new ProblemError('not-permitted', { detail });
  }
  if (scope === undefined || Scope.parse(scope).has(host)) return;
  const detail = `the join token was made by somebody with the scope ${scope}, in which ${host.name} with the labels ${textOf(host.labels)} is not`;
  throw new ProblemError('not-permitted', { detail });
}

/** What must not have changed for `checkBounds` to hold when the host is let in. */
export function groupConditions(
  { groups = [] }: JoinTokenRecord,
  state: FleetState,
): readonly Condition[] {
  return groups.map((group) => ({
    key: etcdKeys.group(group),
    modRevision: state.groups.get(group)?.revision ?? 0n,
  }));
}

function textOf(labels: Labels): string {
  const all = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return all.length === 0 ? '(none)' : all.join(',');
}
