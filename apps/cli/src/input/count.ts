import { UsageError } from '../output/errors.js';

/** Reads an option that counts something, from one on; throws UsageError. */
export function countOf(option: string): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= 1) return value;
    throw new UsageError(`${option} "${text}" is not a positive whole number`);
  };
}
