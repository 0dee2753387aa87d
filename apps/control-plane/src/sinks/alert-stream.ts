import type { AlertFilter, AlertStore, StoredAlert } from '../events/alert.store.js';
import type { EventStream } from '../http/event-streams.js';
import type { AlertNews } from './alert-news.js';

const AT_ONCE = 500;
/** A comment as often keeps proxies from closing a quiet stream, and finds readers that are gone. */
const HEARTBEAT_MS = 15_000;

/** What a stream of alerts is made of. */
export interface AlertStreamParts {
  readonly store: AlertStore;
  readonly news: AlertNews;
  readonly filter: AlertFilter;
  /** The last number the reader has. */
  readonly after: number;
}

/**
 * Writes alerts as server-sent events until the stream ends. Where the store ends before what the reader has, its numbers
 * have begun anew (moved, or restored): the reader is told `reset`, and has what comes from then on.
 */
export async function streamAlerts(
  { signal, write }: EventStream,
  { store, news, filter, ...parts }: AlertStreamParts,
): Promise<void> {
  let { after } = parts;
  await write(': alerts follow\n\n');
  while (!signal.aborted) {
    // Before the store is read: what comes meanwhile is news.
    const heard = news.told;
    const newest = await store.lastId();
    if (newest < after) {
      await write(resetEvent(after, newest));
      after = newest;
    }
    const found = await store.after(filter, after, AT_ONCE);
    for (const each of found) await write(toEvent(each));
    after =
      found.length === AT_ONCE
        ? (found.at(-1)?.id ?? after)
        : Math.max(after, newest, found.at(-1)?.id ?? 0);
    if (found.length === AT_ONCE) continue;
    await news.next(heard, HEARTBEAT_MS, signal);
    if (news.told === heard) await write(`id: ${after}\n: still here\n\n`);
  }
}

function toEvent({ id, alert }: StoredAlert): string {
  return `id: ${id}\nevent: alert\ndata: ${JSON.stringify(alert)}\n\n`;
}

function resetEvent(after: number, last: number): string {
  return `id: ${last}\nevent: reset\ndata: ${JSON.stringify({ after, last })}\n\n`;
}
