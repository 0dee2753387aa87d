import type { SQLInputValue } from 'node:sqlite';
import type { AlertFilter } from './alert.store.js';

/** Which page of which alerts. */
export interface AlertSearch {
  readonly filter: AlertFilter;
  /** First and last number that is looked at. */
  readonly from: number;
  readonly to: number;
  readonly order: 'ASC' | 'DESC';
  readonly limit: number;
  /** Whether so few are as new as asked for that they are found by time and sorted. */
  readonly byTime: boolean;
  /** Whether the hosts asked for have so few that they are found by host and sorted; else ids are walked, and hosts tested. */
  readonly byHost: boolean;
}

/** Whether an alert is of one of these hosts: a JSON array of node ids. */
export const OF_HOSTS = 'node_id IN (SELECT value FROM json_each(?))';

/** The signed status of a search, and its values. */
export function alertQuery(search: AlertSearch): {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
} {
  const { filter, from, to, order, limit, byTime, byHost } = search;
  const { node, policy, sinceMs, nodeIds } = filter;
  const tests: [string, SQLInputValue | undefined][] = [
    ['id >= ?', from],
    ['id <= ?', to],
    ['node = ?', node],
    ['policy = ?', policy],
    ['time_ms >= ?', sinceMs],
    // With the sign no index is used for it: SQLite would prefer the one that hosts have to the order of ids.
    [byHost ? OF_HOSTS : `+${OF_HOSTS}`, nodeIds && JSON.stringify(nodeIds)],
  ];
  const used = tests.filter((test): test is [string, SQLInputValue] => test[1] !== undefined);
  const where = used.map(([test]) => test).join(' AND ');
  const table = byTime ? 'alerts INDEXED BY alerts_by_time' : 'alerts';
  return {
    sql: `SELECT id, body FROM ${table} WHERE ${where} ORDER BY id ${order} LIMIT ?`,
    values: [...used.map(([, value]) => value), limit],
  };
}

/** Numbers that one signed status walks through: others wait for it meanwhile. */
const WINDOW = 20_000;

/** The parts in which the numbers of a search are walked, the first one first. */
export function* windowsOf({
  from,
  to,
  order,
}: Pick<AlertSearch, 'from' | 'to' | 'order'>): Generator<Pick<AlertSearch, 'from' | 'to'>> {
  if (order === 'DESC')
    for (let top = to; top >= from; top -= WINDOW)
      yield { from: Math.max(from, top - WINDOW + 1), to: top };
  else
    for (let bottom = from; bottom <= to; bottom += WINDOW)
      yield { from: bottom, to: Math.min(to, bottom + WINDOW - 1) };
}
