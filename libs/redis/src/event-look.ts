const BATCH = 256;

/** Whom to ask and whom to tell. */
export interface EventLookOptions {
  /** Of these hosts, those whose event stream holds anything. */
  readonly haveEvents: (nodeIds: readonly string[]) => Promise<readonly string[]>;
  readonly onEvents: (nodeId: string) => void;
  readonly onError?: (error: unknown) => void;
}

/** Finds hosts whose streams hold something, many at a time; those that could not be asked about stay for the next call. */
export class EventLook {
  readonly #due = new Set<string>();
  #looking = false;

  constructor(private readonly options: EventLookOptions) {}

  /** Asks about these, and about those that are left. */
  at(nodeIds: Iterable<string>): void {
    for (const nodeId of nodeIds) this.#due.add(nodeId);
    if (!this.#looking && this.#due.size > 0) void this.#look();
  }

  async #look(): Promise<void> {
    this.#looking = true;
    try {
      for (let due = this.#batch(); due.length > 0; due = this.#batch()) {
        const found = await this.options.haveEvents(due);
        for (const nodeId of due) this.#due.delete(nodeId);
        for (const nodeId of found) this.options.onEvents(nodeId);
      }
    } catch (error) {
      this.options.onError?.(error);
    } finally {
      this.#looking = false;
    }
  }

  #batch(): readonly string[] {
    return this.#due.values().take(BATCH).toArray();
  }
}
