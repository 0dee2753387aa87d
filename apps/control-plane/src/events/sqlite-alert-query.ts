import type { SQLInputValue } from 'node:sqlite';
import type { AlertFilter } from './alert.store.js';

/** Which page of which alerts. */
export interface AlertSearch {
  readonly filter: AlertFilter;
  readonly range: 'id < ?' | 'id > ?';
  readonly bound: number;
  readonly order: 'ASC' | 'DESC';
  readonly limit: number;
  /** Whether so few are as new as asked for that they are found by time and sorted. */
  readonly byTime: boolean;
  /** Whether the hosts asked for have so few that they are found by host and sorted; else ids are walked, and hosts tested. */
  readonly byHost: boolean;
}

/** Whether an alert is of one of these hosts: a JSON array of node ids. */
export const OF_HOSTS = 'node_id IN (SELECT value FROM json_each(?))';

/** The statement of a search, and its values. */
export function alertQuery(search: AlertSearch): {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
} {
  const { filter, range, bound, order, limit, byTime, byHost } = search;
  const { node, policy, sinceMs, nodeIds } = filter;
  const tests: [string, SQLInputValue | undefined][] = [
    [range, bound],
    ['node = ?', node],
    ['policy = ?', policy],
    ['time_ms >= ?', sinceMs],
    // With the sign no index is used for it: SQLite would prefer the one that hosts have to the order of ids.
    [byHost ? OF_HOSTS : `+${OF_HOSTS}`, nodeIds && JSON.stringify(nodeIds)],
  ];
  const used = tests.filter((test): test is [string, SQLInputValue] => test[1] !== undefined);
  const where = used.map(([test]) => test).join(' AND ');
  const from = byTime ? 'alerts INDEXED BY alerts_by_time' : 'alerts';
  return {
    sql: `SELECT id, body FROM ${from} WHERE ${where} ORDER BY id ${order} LIMIT ?`,
    values: [...used.map(([, value]) => value), limit],
  };
}
