import { UsageError } from '../errors.js';
import { parseDuration } from './duration.js';

/** An ISO time in UTC from an ISO time or from a duration before `now`. */
export function pastTime(text: string, now: number): string {
  const at = /^\d{4}-/.test(text) ? Date.parse(text) : now - parseDuration(text);
  if (Number.isNaN(at))
    throw new UsageError(`"${text}" is neither an ISO time nor a duration such as 2h`);
  return new Date(at).toISOString();
}
