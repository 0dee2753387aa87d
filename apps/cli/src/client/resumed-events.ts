import { setTimeout as delay } from 'node:timers/promises';
import { isPassing, type Call, type ControlPlane } from './control-plane.js';
import type { ServerEvent } from './server-events.js';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/** An event, or that a stream has begun (again). */
export type ResumedEvent = ServerEvent | 'opened';

/** Events without end: a stream that was cut is asked for again, after the last event that had an id. */
export async function* resumedEvents(
  controlPlane: ControlPlane,
  path: string,
  query: Call['query'],
  lastEventId?: string,
): AsyncGenerator<ResumedEvent, never, undefined> {
  let last = lastEventId;
  let pauseMs = FIRST_PAUSE_MS;
  let away = false;
  const onOpen = (): void => {
    pauseMs = FIRST_PAUSE_MS;
    if (away) console.error('hostward: the stream is back');
    away = false;
  };
  for (;;) {
    try {
      let opened = false;
      for await (const event of controlPlane.events(path, query, { lastEventId: last, onOpen })) {
        if (!opened) yield 'opened';
        opened = true;
        last = event.id ?? last;
        yield event;
      }
    } catch (error) {
      if (!mayComeBack(error)) throw error;
    }
    if (!away)
      console.error('hostward: the stream was cut, resuming when the control plane is back');
    away = true;
    await delay(pauseMs * (0.5 + Math.random() / 2));
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

/** A cut in the middle of an answer is an error of its own, not one of the client. */
function mayComeBack(error: unknown): boolean {
  return isPassing(error) || (error instanceof Error && 'code' in error);
}
