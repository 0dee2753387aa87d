import { UsageError } from '../output/errors.js';

/** Most digits are nine, so that any seed can be read out and typed. */
export const SEEDS = 1_000_000_000;

/** Reads `--seed`; throws UsageError. */
export function seedOf(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`--seed "${text}" is not a whole number of at most 9 digits`);
}
