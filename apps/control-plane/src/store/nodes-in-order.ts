import type { LabelSelector } from '#policy-model';
import type { NodeRecord } from '../records/node.record.js';
import { following } from '../http/by-name.js';
import type { FleetState } from './fleet-state.js';
import type { Item } from './record-index.js';

/** Of so many hosts one: where more are looked for, a page is full sooner by going over all in order than by sorting. */
const RARE = 8;

/** Names of the hosts that a policy selects that come after `after`, in order, as they are asked for. */
export function* selectedNodes(state: FleetState, policy: string, after = ''): Generator<string> {
  if (state.index.countOf(policy) <= state.nodes.size / RARE) {
    yield* [...state.index.nodesOf(policy)].filter((name) => name > after).sort();
    return;
  }
  for (const { name } of following(state.nodes.sorted(), after))
    if (state.index.selects(policy, name)) yield name;
}

/** Hosts in order, among them all that a selector selects; all hosts without one, or where most may be selected. */
export function candidateNodes(
  state: FleetState,
  selector: LabelSelector | undefined,
): readonly Item<NodeRecord>[] {
  const few = selector && state.index.few(selector, state.nodes.size / RARE);
  return few
    ? [...few].sort().flatMap((name) => state.nodes.get(name) ?? [])
    : state.nodes.sorted();
}
