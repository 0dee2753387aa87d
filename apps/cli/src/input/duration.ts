import { UsageError } from '../errors.js';

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
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
  if (!/^(\d+(ms|s|m|h|d))+$/.test(text))
    throw new UsageError(`${option} "${text}" is not a duration: write 30s, 5m, 1h30m or 2d`);
  let total = 0;
  for (const [, count, unit] of text.matchAll(/(\d+)(ms|s|m|h|d)/g))
    total += Number(count) * (UNIT_MS[unit ?? ''] ?? 0);
  if (total <= longest) return total;
  throw new UsageError(`${option} "${text}" is too long: at most ${longest / 86_400_000}d`);
}
