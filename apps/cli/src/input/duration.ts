import { durationMs } from '#contracts';
import { UsageError } from '../output/errors.js';

/** A hundred years, so that any time before or after now by as much is one that can be written. */
const LONGEST_MS = 36_500 * 86_400_000;
/** A timer of Node that is to wait longer ends at once. */
const LONGEST_TIMER_MS = 24 * 86_400_000;

/** Reads `30s`, `5m`, `1h30m`, `2d` as milliseconds; what it throws, a UsageError, names the option and what it takes. */
export function durationOf(option: string): (text: string) => number {
  return (text) => milliseconds(option, text, LONGEST_MS);
}

/** The same for what a timer of this process counts. */
export function timerOf(option: string): (text: string) => number {
  return (text) => milliseconds(option, text, LONGEST_TIMER_MS);
}

function milliseconds(option: string, text: string, longest: number): number {
  const total = durationMs(text);
  if (total === undefined)
    throw new UsageError(`${option} "${text}" is not a duration: write 30s, 5m, 1h30m or 2d`);
  if (total <= longest) return total;
  throw new UsageError(`${option} "${text}" is too long: at most ${longest / 86_400_000}d`);
}
