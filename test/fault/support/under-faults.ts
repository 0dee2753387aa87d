import { describe } from '@jest/globals';
import { AppArmorParser } from '#testing';

/** Tests of the whole product under faults, which needs the parser that its hosts compile with. */
export function underFaults(title: string, tests: () => void): void {
  if (AppArmorParser.find() !== undefined) describe(title, tests);
  else describe.skip(`${title} (skipped: apparmor_parser is not installed)`, tests);
}
