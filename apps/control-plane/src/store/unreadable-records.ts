import { type ProblemError, conflict } from '../http/index.js';
import type { LedgerChange } from './ledger.js';
import type { FleetState } from './fleet-state.js';
import type { Stored } from './record-index.js';

const MAX_WHY = 300;
const MAX_TOLD = 20;

/**
 * A change that touches records which cannot be read here. Only who says so writes over them or deletes them: another
 * replica, of a newer version, may be able to read what stands there. What was expected of them is then that they are as
 * they were seen, and the audit log names them.
 */
export function touchingUnreadable(
  state: FleetState,
  change: LedgerChange,
  isMeant: boolean,
): LedgerChange {
  const keys = [...new Set([...change.if, ...change.then].map(({ key }) => key))];
  const unread = keys.filter((key) => state.unreadable.has(key));
  if (unread.length === 0) return change;
  if (!isMeant) throw unreadable(state, unread);
  const seen = new Map(unread.map((key) => [key, state.revisions.get(key)]));
  const { auditLog } = change;
  return {
    if: change.if.map((each) => {
      const modRevision = seen.get(each.key);
      return modRevision === undefined ? each : { key: each.key, modRevision };
    }),
    then: change.then,
    auditLog: {
      ...auditLog,
      detail: { ...auditLog.detail, unreadable: unread.slice(0, MAX_TOLD) },
    },
  };
}

/** The revision of a record that is to be deleted, be it that it cannot be read, or what `find` finds. */
export function revisionToDelete(
  state: FleetState,
  key: string,
  find: () => Stored<unknown>,
): bigint {
  const unread = state.unreadable.has(key) ? state.revisions.get(key) : undefined;
  return unread ?? find().revision;
}

function unreadable(state: FleetState, keys: readonly string[]): ProblemError {
  const [first = ''] = keys;
  const why = state.unreadable.get(first)?.slice(0, MAX_WHY);
  const more = keys.length > 1 ? `, and ${keys.length - 1} more` : '';
  return conflict(
    'key',
    first,
    `cannot be read here (${why})${more}: another version may have written it`,
    'to delete it, or to replace it by an apply, as it is: overrideUnreadable=true (hostward delete, or hostward apply, with --override-unreadable)',
  );
}
