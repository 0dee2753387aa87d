import { Injectable } from '@nestjs/common';
import type { AuditLogDraft } from '../store/audit-log-draft.js';
import { Ledger } from '../store/ledger.js';
import { HostHints } from './host-hints.js';

/** Whom a change of authorities is told: the audit log, which may refuse it, and hosts, who ask by themselves as well. */
@Injectable()
export class Announcement {
  constructor(
    private readonly ledger: Ledger,
    private readonly hints: HostHints,
  ) {}

  auditLog(draft: AuditLogDraft): Promise<void> {
    return this.ledger.record(draft);
  }

  /** Never rejects: without Redis hosts ask at their intervals. */
  async hosts(authorities: readonly string[]): Promise<void> {
    await this.hints.publish({ authorities }).catch(() => undefined);
  }
}
