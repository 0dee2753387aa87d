import { exit, stderr } from 'node:process';
import { CommanderError } from 'commander';
import { CommandFailed, UsageError } from './errors.js';
import { createProgram } from './program.js';
import { tone } from './output/style.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Prints what went wrong and its remedy; gives the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  const message = error instanceof Error ? error.message : String(error);
  stderr.write(`${tone('error:', 'red')} ${message}\n`);
  if (error instanceof CommandFailed && error.remedy !== undefined)
    stderr.write(`remedy: ${error.remedy}\n`);
  if (error instanceof UsageError) return EXIT_USAGE;
  if (!(error instanceof CommandFailed) && error instanceof Error)
    stderr.write(`${error.stack ?? ''}\n`);
  return EXIT_FAILED;
}

try {
  await createProgram().parseAsync();
} catch (error) {
  exit(report(error));
}
