import { describe } from '@jest/globals';
import { env } from 'node:process';

/** A suite that only `./hostward test vm --full` runs; elsewhere it is skipped, and its title says why. */
export function describeHeldBack(title: string, reason: string, suite: () => void): void {
  if (env['HOSTWARD_FULL'] === '1') describe(title, suite);
  else describe.skip(`${title} (skipped without --full: ${reason})`, suite);
}
