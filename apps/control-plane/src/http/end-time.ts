import { durationMs } from '#contracts';
import { invalidField } from './problem.error.js';

/** With its zone: without one it would be one of the server's. */
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

/**
 * An end of a caller, a time or a duration from now, as ISO 8601 in UTC; throws 400 unless it is after now and at most
 * `maxMs` away. A duration counts by the clock that ends it: that of who calls may be hours off.
 */
export function readEnd(text: string, field: string, nowMs: number, maxMs: number): string {
  const endMs = TIME.test(text) ? Date.parse(text) : nowMs + (durationMs(text) ?? Number.NaN);
  const remedy =
    'send a duration from now such as 30m, or an ISO 8601 time such as 2026-01-31T12:00:00Z';
  if (!Number.isFinite(endMs)) throw invalidField(field, text, 'is not a time', remedy);
  if (endMs <= nowMs) throw invalidField(field, text, 'is in the past', remedy);
  if (endMs - nowMs > maxMs) {
    throw invalidField(
      field,
      text,
      `is more than ${maxMs / 86_400_000} days away`,
      'choose an earlier end',
    );
  }
  return new Date(endMs).toISOString();
}
