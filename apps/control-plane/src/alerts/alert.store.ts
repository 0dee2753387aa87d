import type { Alert, AlertBatch } from '#contracts';

/** How many are kept; the oldest go first, some after each so many that come. */
export const KEPT_ALERTS = 1_000_000;
export const KEPT_TELEMETRY_EVENTS = 200_000;
export const PRUNE_EVERY = 1_000;

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

/** The store will never take this batch, for what is in it; the store itself is well. The cause is the database's. */
export class UnstorableBatch extends Error {
  override readonly name = 'UnstorableBatch';

  constructor(cause: { readonly message: string }) {
    super(`the database refuses what is in it: ${cause.message}`, { cause });
  }
}

/**
 * Keeps alerts; the same event of a host is kept once, whoever stores it. Numbers grow in the order in which alerts
 * become visible, so that who has read up to one misses none below it. Rejects where the store is away or full.
 */
export abstract class AlertStore {
  /** Stores a batch of one host durably, all or nothing. Rejects with UnstorableBatch what it will never take. */
  abstract add(nodeId: string, batch: AlertBatch): Promise<StoreOutcome>;

  /** Up to which event id everything of a host is stored; undefined where nothing ever came. */
  abstract cursorOf(nodeId: string): Promise<string | undefined>;

  /** Newest first, before number `before`. */
  abstract before(
    filter: AlertFilter,
    before: number | undefined,
    limit: number,
  ): Promise<readonly StoredAlert[]>;

  /** Oldest first, after number `after`. */
  abstract after(
    filter: AlertFilter,
    after: number,
    limit: number,
  ): Promise<readonly StoredAlert[]>;

  /** The alert with this event id; the newest where several hosts have one. */
  abstract byEventId(
    eventId: string,
    filter: Pick<AlertFilter, 'node' | 'nodeIds'>,
  ): Promise<StoredAlert | undefined>;

  /** What tells its numbers from those of other stores, eight hexadecimal digits. */
  abstract id(): Promise<string>;

  /** The highest number given so far; 0 in an empty store. */
  abstract lastId(): Promise<number>;

  /** Whether the last batch could be stored; what cannot be stays with its host until it can. */
  abstract health(): { readonly ok: boolean; readonly detail: string };

  /**
   * Tries again to write, where the last batch could not be stored: another replica may have stored it since, so that
   * none comes to show that there is room again. Never rejects.
   */
  abstract retry(): Promise<void>;
}

/** As AlertStore, of what hosts only watched: apart, so that it never takes the place of an alert. */
export abstract class TelemetryEventStore extends AlertStore {}

/** The last moment of a Date, and a whole number that every database takes. */
const LAST_MS = 8.64e15;

/** When it was, in ms since 1970, by the host's clock, which may say anything. */
export function alertTime({ UpdatedTime, Timestamp }: Alert): number {
  const parsed = Date.parse(UpdatedTime);
  if (Number.isFinite(parsed)) return parsed;
  return Math.trunc(Math.min(Math.max(Timestamp * 1_000, -LAST_MS), LAST_MS));
}
