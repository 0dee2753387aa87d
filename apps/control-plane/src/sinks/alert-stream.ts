import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { AlertFilter, AlertStore, StoredAlert } from '../events/alert.store.js';
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
  readonly signal: AbortSignal;
}

/** Writes alerts as server-sent events until `signal` aborts, no faster than the reader reads. */
export async function streamAlerts(out: Writable, parts: AlertStreamParts): Promise<void> {
  const { store, news, filter, signal } = parts;
  let { after } = parts;
  await write(out, ': alerts follow\n\n', signal);
  while (!signal.aborted) {
    const newest = store.lastId();
    const found = store.after(filter, after, AT_ONCE);
    for (const each of found) await write(out, toEvent(each), signal);
    after =
      found.length === AT_ONCE
        ? (found.at(-1)?.id ?? after)
        : Math.max(after, newest, found.at(-1)?.id ?? 0);
    if (found.length === AT_ONCE) continue;
    if (store.lastId() === newest) await news.next(HEARTBEAT_MS, signal);
    if (store.lastId() === newest) await write(out, `id: ${after}\n: still here\n\n`, signal);
  }
}

async function write(out: Writable, text: string, signal: AbortSignal): Promise<void> {
  if (signal.aborted || out.write(text)) return;
  try {
    await once(out, 'drain', { signal });
  } catch {
    // The reader went away or we shut down; the loop sees it by the signal.
  }
}

function toEvent({ id, alert }: StoredAlert): string {
  return `id: ${id}\nevent: alert\ndata: ${JSON.stringify(alert)}\n\n`;
}
