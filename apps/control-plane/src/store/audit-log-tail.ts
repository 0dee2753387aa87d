import { followsInAuditLog, type AuditLogEntry, type AuditLogPoint } from '#bundle';

/** The newest entries that etcd holds: those of its tail that lead to its head, then the head. */
export function newestInEtcd(
  tail: readonly AuditLogEntry[],
  head: AuditLogEntry,
): readonly AuditLogEntry[] {
  let chain = [head];
  for (const entry of tail.toReversed()) {
    const [next = head] = chain;
    if (followsInAuditLog(entry, next)) chain = [entry, ...chain];
  }
  return chain;
}

/**
 * What of the newest entries in etcd comes after the last signed entry of the store, oldest first; undefined where they
 * do not go on from it. Where they begin later than the next one nobody can say here what was in between, and the
 * audit log shows the gap.
 */
export function unstoredAfter(
  stored: AuditLogPoint,
  newest: readonly AuditLogEntry[],
): readonly AuditLogEntry[] | undefined {
  if (newest.every(({ seq }) => seq < stored.seq)) return undefined;
  if (newest.some(({ seq, hash }) => seq === stored.seq && hash !== stored.hash)) return undefined;
  const after = newest.filter(({ seq }) => seq > stored.seq);
  const [first] = after;
  if (!first) return [];
  const before = first.seq === stored.seq + 1 ? stored : { seq: first.seq - 1, hash: first.prev };
  return followsInAuditLog(before, first) ? after : undefined;
}
