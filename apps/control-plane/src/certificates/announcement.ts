import { Injectable } from '@nestjs/common';
import type { JournalDraft } from '../journal/journal-draft.js';
import { Ledger } from '../journal/ledger.js';
import { CaHints } from './ca-hints.js';

/** Whom a change of authorities is told: the journal, which may refuse it, and hosts, who ask by themselves as well. */
@Injectable()
export class Announcement {
  constructor(
    private readonly ledger: Ledger,
    private readonly hints: CaHints,
  ) {}

  journal(draft: JournalDraft): Promise<void> {
    return this.ledger.record(draft);
  }

  /** Never rejects: without Redis hosts ask at their intervals. */
  async hosts(fingerprints: readonly string[]): Promise<void> {
    await this.hints.publish(fingerprints).catch(() => undefined);
  }
}
