import { setTimeout as delay } from 'node:timers/promises';
import { EtcdUnavailable } from '#etcd';

/** An election takes seconds; the caller waits meanwhile, and so does who comes after it. */
const WITHIN_MS = 5_000;
const PAUSE_MS = 100;

/** `doubt`: an earlier try was not answered, so that it may be what made this one fail. */
export interface Answered<T> {
  readonly result: T;
  readonly doubt?: EtcdUnavailable;
}

/**
 * Repeats what etcd does not answer until it says how it ended: only for what can happen once at most. What certainly
 * did not happen is tried for 5 s from `since` on (ms of `performance.now`), which is when the caller began to wait for
 * it; what may have happened, for 5 s from then on. Throws the error of the first try that may have happened, or else
 * of the last.
 */
export async function untilAnswered<T>(act: () => Promise<T>, since: number): Promise<Answered<T>> {
  let doubt: EtcdUnavailable | undefined;
  let until = since + WITHIN_MS;
  for (;;) {
    try {
      return { result: await act(), ...(doubt && { doubt }) };
    } catch (error) {
      if (!(error instanceof EtcdUnavailable)) throw doubt ?? error;
      if (!doubt && error.outcome === 'unknown') {
        doubt = error;
        until = performance.now() + WITHIN_MS;
      }
      if (performance.now() > until) throw doubt ?? error;
    }
    await delay(PAUSE_MS);
  }
}
