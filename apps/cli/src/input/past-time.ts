import { UsageError } from '../output/errors.js';
import { durationOf } from './duration.js';

/** An ISO time in UTC from an ISO time or from a duration before `now`. */
export function pastTime(option: string, text: string, now: number): string {
  const at = /^\d{4}-/.test(text) ? Date.parse(text) : now - durationOf(option)(text);
  if (Number.isNaN(at))
    throw new UsageError(`${option} "${text}" is neither an ISO time nor a duration such as 2h`);
  return new Date(at).toISOString();
}
