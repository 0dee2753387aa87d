import { setTimeout as delay } from 'node:timers/promises';

const DEADLINE_MS = 180_000;
const LOOK_EVERY_MS = 25;

/** Waits until `look` gives something that is not undefined and not false; fails with `what` at the deadline. */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  deadlineMs = DEADLINE_MS,
): Promise<Exclude<T, undefined | false>> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>;
    if (Date.now() > end) throw new Error(`did not happen in ${deadlineMs} ms: ${what}`);
    await delay(LOOK_EVERY_MS);
  }
}
