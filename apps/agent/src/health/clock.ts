import { setTimeout as delay } from 'node:timers/promises';

/** Time and chance, injected so that a test decides them. */
export abstract class Clock {
  /** ms since 1970. */
  abstract now(): number;
  /** ms by which one waits: nobody can set them, so a clock that is set back makes no wait longer. */
  abstract elapsed(): number;
  /** At least 0, below 1. */
  abstract random(): number;
  /** Resolves after `ms` or as soon as the signal aborts; never rejects. */
  abstract wait(ms: number, signal: AbortSignal): Promise<void>;
}

export class SystemClock extends Clock {
  now(): number {
    return Date.now();
  }

  elapsed(): number {
    return performance.now();
  }

  random(): number {
    return Math.random();
  }

  async wait(ms: number, signal: AbortSignal): Promise<void> {
    await delay(ms, undefined, { signal }).catch(() => undefined);
  }
}

/** Between three quarters and five quarters of `ms`, so that a fleet does not come all at once. */
export function jittered(ms: number, random: number): number {
  return Math.round(ms * (0.75 + random / 2));
}

/** Doubles from `baseMs` to `capMs` with the number of failures, with full jitter of its upper half. */
export function backoff(failures: number, baseMs: number, capMs: number, random: number): number {
  const full = Math.min(capMs, baseMs * 2 ** Math.min(failures, 30));
  return Math.round(full * (0.5 + random / 2));
}
