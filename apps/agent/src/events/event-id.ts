const PATTERN = /^(\d{1,16})-(\d{1,16})$/;

/** Orders the ids of one node's events: by start of the counter (ms), then by number within it. */
export interface EventId {
  readonly start: number;
  readonly sequence: number;
}

/** `<start ms>-<sequence>`, the sequence padded so that ids also sort as text. */
export function formatEventId(id: EventId): string {
  return `${id.start}-${String(id.sequence).padStart(10, '0')}`;
}

/** undefined where the text is no event id. */
export function parseEventId(text: string): EventId | undefined {
  const match = PATTERN.exec(text);
  return match === null ? undefined : { start: Number(match[1]), sequence: Number(match[2]) };
}

/** Negative, zero or positive, as for Array.sort; text that is no id sorts before every id. */
export function compareEventIds(a: string, b: string): number {
  const left = parseEventId(a) ?? { start: -1, sequence: -1 };
  const right = parseEventId(b) ?? { start: -1, sequence: -1 };
  return left.start - right.start || left.sequence - right.sequence;
}

/** The greatest of some, which are at least one. */
export function latest(ids: readonly string[]): string {
  return ids.reduce((a, b) => (compareEventIds(a, b) < 0 ? b : a));
}

/** When the counter of an id began, ms; 0 where the text is no id. */
export function startOf(id: string): number {
  return parseEventId(id)?.start ?? 0;
}
