import { ProblemError } from '../http/index.js';

/** What a writer is told while entries cannot be kept: 503, and when to come back. */
export function auditLogUnwritable(cause: unknown): ProblemError {
  return new ProblemError('unavailable', {
    cause,
    detail:
      'the audit log cannot be written (is its store away, or the disk full?), so nothing else is',
    headers: { 'retry-after': '5' },
  });
}
