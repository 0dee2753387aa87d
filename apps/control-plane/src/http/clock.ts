/** The time, injected: tests set it, everything else reads it here. */
export abstract class Clock {
  /** ms since 1970. */
  abstract nowMs(): number;
}

/** The machine's clock. */
export class SystemClock extends Clock {
  nowMs(): number {
    return Date.now();
  }
}

/** `nowMs` as ISO 8601. */
export function isoNow(clock: Clock): string {
  return new Date(clock.nowMs()).toISOString();
}
