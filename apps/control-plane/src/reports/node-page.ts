import type { Page } from '#contracts';
import { candidateNodes } from '../store/nodes-in-order.js';
import type { FleetState } from '../store/fleet-state.js';
import type { Item } from '../store/record-index.js';
import { pageOf } from '../http/index.js';
import { selectorOf, wantedBy, type ListQuery } from '../http/list.query.js';
import type { NodeRecord } from '../records/node.record.js';

/** One page of the hosts that the query selects, by name. */
export function nodePage<V>(
  state: FleetState,
  query: ListQuery,
  view: (item: Item<NodeRecord>) => V,
): Page<V> {
  const selector = selectorOf(query);
  const isWanted = wantedBy(selector, ({ record }: Item<NodeRecord>) => record.labels);
  const candidates = candidateNodes(state, selector);
  return pageOf(candidates, query, state.revision.toString(), view, isWanted);
}
