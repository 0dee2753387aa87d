import { setTimeout as delay } from 'node:timers/promises';

/** An answer costs a start of Node here or a shell there, which take the time from the host that is waited for. */
const PAUSE_MS = 500;
/** Callers name what it takes at the usual speed of a machine, which is up to three times as slow at times. */
const PATIENCE = 3;

/** Asks again until `holds` gives a value other than undefined or false; throws with the last answer after the deadline. */
export async function eventually<T>(
  what: string,
  timeoutMs: number,
  holds: () => Promise<T | undefined | false>,
  pauseMs = PAUSE_MS,
): Promise<T> {
  const deadline = Date.now() + PATIENCE * timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await holds();
      if (value !== undefined && value !== false) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline)
      throw new Error(`not within ${(PATIENCE * timeoutMs) / 1000} s: ${what}`, { cause: last });
    await delay(pauseMs);
  }
}
