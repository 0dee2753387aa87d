import { compareEventIds, formatEventId, parseEventId } from './event-id.js';
import type { SpoolEntry } from './spool-segment.js';

/**
 * Ids after `after`, up to and with `upTo`, are to be read as those of a counter that began `byMs` later. So what waits gets
 * other ids by one small write, and no crash leaves some under the old ones.
 */
export interface IdShift {
  readonly after: string;
  readonly upTo: string;
  readonly byMs: number;
}

/** What an id on disk means after these shifts, oldest first. */
export function shiftedId(written: string, shifts: readonly IdShift[]): string {
  return shifts.reduce((id, { after, upTo, byMs }) => {
    const parsed = parseEventId(id);
    const isMeant = compareEventIds(id, after) > 0 && compareEventIds(id, upTo) <= 0;
    return parsed && isMeant ? formatEventId({ ...parsed, start: parsed.start + byMs }) : id;
  }, written);
}

/** Entries under the ids that theirs mean. */
export function shiftedEntries(
  entries: readonly SpoolEntry[],
  shifts: readonly IdShift[],
): readonly SpoolEntry[] {
  if (shifts.length === 0) return entries;
  return entries.map(({ sensor, alert }) => ({
    sensor,
    alert: { ...alert, EventID: shiftedId(alert.EventID, shifts) },
  }));
}

/** Those that were written, of what a file says; none where that is none of ours. */
export function shiftsOf(value: unknown): readonly IdShift[] {
  return Array.isArray(value) && value.every(isShift) ? value : [];
}

function isShift(value: unknown): value is IdShift {
  const { after, upTo, byMs } = (value ?? {}) as Partial<IdShift>;
  return typeof after === 'string' && typeof upTo === 'string' && Number.isSafeInteger(byMs);
}
