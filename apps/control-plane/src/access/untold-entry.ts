import type { AuditLogDraft } from '../store/audit-log-draft.js';

/**
 * Has what is counted written, an entry after the other. One that could not be written is kept and tried first; until it
 * is written no other is taken, so that whoever counts goes on counting, and no more than one waits.
 */
export class UntoldEntry {
  #draft: AuditLogDraft | undefined;

  constructor(
    private readonly take: (ending: boolean) => AuditLogDraft | undefined,
    private readonly record: (draft: AuditLogDraft) => Promise<void>,
  ) {}

  /** Writes what waits and what is due, or, when `ending`, all there is. Throws where it cannot. */
  async tell(ending = false): Promise<void> {
    for (let draft = this.#next(ending); draft; draft = this.#next(ending)) {
      try {
        await this.record(draft);
      } catch (error) {
        this.#draft = draft;
        throw error;
      }
    }
  }

  #next(ending: boolean): AuditLogDraft | undefined {
    const draft = this.#draft ?? this.take(ending);
    this.#draft = undefined;
    return draft;
  }
}
