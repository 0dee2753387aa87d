import type { Alert, AlertBatch } from '#contracts';

/** Which alerts are asked for. */
export interface AlertFilter {
  readonly node?: string;
  readonly policy?: string;
  /** ms since 1970, by the host's clock. */
  readonly sinceMs?: number;
  /** Of these hosts only; absent: of all. */
  readonly nodeIds?: readonly string[];
}

/** An alert and its number in the store, by which streams resume. */
export interface StoredAlert {
  readonly id: number;
  readonly alert: Alert;
}

/** What storing a batch came to. `last` is the cursor of the host: everything up to it is stored. */
export interface StoreOutcome {
  readonly stored: number;
  readonly duplicates: number;
  readonly last: string;
}

/** Keeps alerts; the same event of a host is kept once. Throws where nothing can be written. */
export abstract class AlertStore {
  /** Stores a batch of one host durably, all or nothing. */
  abstract add(nodeId: string, batch: AlertBatch): StoreOutcome;

  /** Newest first, before number `before`. */
  abstract before(
    filter: AlertFilter,
    before: number | undefined,
    limit: number,
  ): readonly StoredAlert[];

  /** Oldest first, after number `after`. */
  abstract after(filter: AlertFilter, after: number, limit: number): readonly StoredAlert[];

  /** The alert with this event id; the newest where several hosts have one. */
  abstract byEventId(
    eventId: string,
    filter: Pick<AlertFilter, 'node' | 'nodeIds'>,
  ): StoredAlert | undefined;

  /** The highest number; 0 in an empty store. */
  abstract lastId(): number;

  /** Whether the last batch could be stored; what cannot be stays with its host until it can. */
  abstract health(): { readonly ok: boolean; readonly detail: string };

  abstract close(): void;
}
