import { stripVTControlCharacters } from 'node:util';
import type { Outcome } from './outcome.js';

/** What we read of the file that Jest writes by `--json`. */
export interface JestReport {
  readonly testResults: readonly {
    readonly name: string;
    /** All that it prints of the file's failures: each begins with a bullet and the test's name. */
    readonly message: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly fullName: string;
      readonly status: string;
    }[];
  }[];
}

const REASON_LENGTH = 300;
/** What Jest calls a failure that is no test's. */
const WHOLE_FILE = 'Test suite failed to run';
const BULLET = /^ {2}● /m;
/** The source around a failure, and the stack. */
const FRAME = /^\s+(>?\s*\d* \||at )/;

/**
 * Each failed test by name and reason: at the end of a long run, or in a part of its output, nobody finds the block that
 * Jest printed. What fails for the same reason as the test before it, as all tests of a set-up do, says no more.
 */
export function outcomeOf(report: JestReport): Outcome {
  const failed: string[] = [];
  const skipped: string[] = [];
  let passed = 0;
  for (const file of report.testResults) {
    const reasons = reasonsOf(file.message);
    // A file that could not begin, or whose end failed (afterAll, an error that no test caught) with all its tests passed.
    const ofFile = reasons.get(WHOLE_FILE);
    const isTold = file.assertionResults.some(({ status }) => status === 'failed');
    if (ofFile !== undefined) failed.push(`${file.name}: ${ofFile}`);
    else if (file.status === 'failed' && !isTold) failed.push(`${file.name}: no reason told`);
    let before: string | undefined;
    for (const test of file.assertionResults) {
      if (test.status === 'passed') passed++;
      else if (test.status === 'failed') {
        const reason = reasons.get([...test.ancestorTitles, test.title].join(' › '));
        const isAsBefore = reason !== undefined && reason === before;
        failed.push(`${test.fullName}: ${isAsBefore ? 'likewise' : (reason ?? 'no reason told')}`);
        before = reason;
      } else skipped.push(test.fullName);
    }
  }
  return { passed, failed, skipped };
}

/** By the test's titles, as Jest joins them; a file that could not begin has one without a test. */
function reasonsOf(message: string): ReadonlyMap<string, string> {
  const [, ...blocks] = stripVTControlCharacters(message).split(BULLET);
  return new Map(
    blocks.map((block) => {
      const [title = '', ...lines] = block.split('\n');
      return [title.trim(), reasonOf(lines)];
    }),
  );
}

/** On one line: what was thrown and by what that was caused. */
function reasonOf(lines: readonly string[]): string {
  const told = lines.filter((line) => line.trim() !== '' && !FRAME.test(line));
  const text = told.map((line) => line.trim().replace(/^Cause:$/, 'cause:')).join(' ');
  return text.length > REASON_LENGTH ? `${text.slice(0, REASON_LENGTH)} …` : text;
}
