import type { AlertFilter, AlertStore, StoredAlert } from './alert.store.js';
import type { EventStream } from '../http/event-streams.js';
import type { AlertNews } from './alert-news.js';
import { positionText, type AlertPosition } from './alert-position.js';

const AT_ONCE = 500;
/** A comment as often keeps proxies from closing a quiet stream, and finds readers that are gone. */
const HEARTBEAT_MS = 15_000;

/** What a stream of alerts is made of. */
export interface AlertStreamParts {
  readonly store: AlertStore;
  readonly news: AlertNews;
  readonly filter: AlertFilter;
  /** Where the reader stands. */
  readonly after: AlertPosition;
}

/**
 * Writes alerts as server-sent events until the stream ends. Where the reader stands in another store (moved, restored, or
 * another control plane's), or the store ends before that, it is told `reset`, and has what comes from then on.
 */
export async function streamAlerts(
  { signal, write }: EventStream,
  { store, news, filter, after: reader }: AlertStreamParts,
): Promise<void> {
  const name = await store.id();
  let isElsewhere = reader.store !== undefined && reader.store !== name;
  let after = reader.id;
  const at = (id: number): string => `id: ${positionText({ store: name, id })}\n`;
  await write(': alerts follow\n\n');
  while (!signal.aborted) {
    // Before the store is read: what comes meanwhile is news.
    const heard = news.told;
    const newest = await store.lastId();
    if (isElsewhere || newest < after) {
      await write(`${at(newest)}${resetEvent(after, newest)}`);
      after = newest;
      isElsewhere = false;
    }
    const found = await store.after(filter, after, AT_ONCE);
    for (const each of found) await write(`${at(each.id)}${toEvent(each)}`);
    after =
      found.length === AT_ONCE
        ? (found.at(-1)?.id ?? after)
        : Math.max(after, newest, found.at(-1)?.id ?? 0);
    if (found.length === AT_ONCE) continue;
    await news.next(heard, HEARTBEAT_MS, signal);
    if (news.told === heard) await write(`${at(after)}: still here\n\n`);
  }
}

function toEvent({ alert }: StoredAlert): string {
  return `event: alert\ndata: ${JSON.stringify(alert)}\n\n`;
}

function resetEvent(after: number, last: number): string {
  return `event: reset\ndata: ${JSON.stringify({ after, last })}\n\n`;
}
