import { UsageError } from '../output/errors.js';
import { durationOf } from './duration.js';

/** An end that the control plane counts: a duration as it stands, since it is from its now, or an ISO time in UTC. */
export function wantedEnd(option: string, text: string): string {
  if (!isTime(text)) {
    durationOf(option)(text);
    return text;
  }
  return new Date(timeOf(option, text)).toISOString();
}

/** An ISO time in UTC from an ISO time or a duration from `now`; an end that has passed is refused. */
export function endTime(option: string, text: string, now: number): string {
  const at = isTime(text) ? timeOf(option, text) : now + durationOf(option)(text);
  if (at <= now)
    throw new UsageError(`${option} "${text}" has passed already: name a time to come`);
  return new Date(at).toISOString();
}

function isTime(text: string): boolean {
  return /^\d{4}-/.test(text);
}

function timeOf(option: string, text: string): number {
  const at = Date.parse(text);
  if (Number.isNaN(at))
    throw new UsageError(`${option} "${text}" is neither an ISO time nor a duration such as 2h`);
  return at;
}
