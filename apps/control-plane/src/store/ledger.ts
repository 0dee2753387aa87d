import type { Condition, Write } from '#etcd';
import type { AuditLogDraft } from './audit-log-draft.js';

/** A change of the fleet: under which conditions, what is written, and how the audit log tells it. */
export interface LedgerChange {
  readonly if: readonly Condition[];
  readonly then: readonly Write[];
  readonly auditLog: AuditLogDraft;
}

/** `conflict`: a condition did not hold, nothing was written; `revision` is where it was tested. */
export type CommitResult =
  | { readonly outcome: 'committed'; readonly revision: bigint }
  | { readonly outcome: 'conflict'; readonly revision: bigint };

/**
 * The only way to change the fleet: all writes and their audit log entry become visible at one revision, or nothing
 * does. Throws the errors of #etcd where etcd cannot be asked, and 503 where the audit log cannot be kept.
 */
export abstract class Ledger {
  abstract commit(change: LedgerChange): Promise<CommitResult>;

  /** Records in the audit log what changes nothing of the fleet. */
  async record(auditLog: AuditLogDraft): Promise<void> {
    await this.commit({ if: [], then: [], auditLog });
  }
}
