import process, { exit, stderr, stdout } from 'node:process';
import { CommanderError } from 'commander';
import { CommandFailed, messageOf, UsageError } from './output/errors.js';
import type { CommandLine } from './program.js';
import { printableLines } from './output/printable.js';
import { endsUnread, writesWhole } from './output/standard-output.js';
import { tone } from './output/style.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Prints what went wrong and its remedy; gives the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  const message = messageOf(error);
  stderr.write(`${tone('error:', 'red', stderr)} ${printableLines(message)}\n`);
  if (error instanceof CommandFailed && error.remedy !== undefined)
    stderr.write(`remedy: ${printableLines(error.remedy)}\n`);
  if (error instanceof UsageError) {
    stderr.write('(add --help for what it takes)\n');
    return EXIT_USAGE;
  }
  if (!(error instanceof CommandFailed) && error instanceof Error) {
    stderr.write(`this is a defect of hostward; where it happened:\n${error.stack ?? ''}\n`);
  }
  return error instanceof CommandFailed ? error.exitCode : EXIT_FAILED;
}

/** What it was to print is lost: a script must not take the part in its file for all of it. */
function unprinted(error: NodeJS.ErrnoException): void {
  if (!endsUnread()) return;
  // `hostward get policies | head -1`: the reader has what it wanted.
  if (error.code === 'EPIPE') exit(0);
  const remedy = 'make room where it goes, or send it elsewhere, and repeat the command';
  exit(report(new CommandFailed(`cannot write to standard output: ${error.message}`, remedy)));
}
/** Runs what the words call, and ends the process with 0 done, 1 failed or 2 wrong usage. */
export async function run(line: CommandLine, words: readonly string[]): Promise<void> {
  writesWhole();
  stdout.on('error', unprinted);
  // Who does not read what is said beside it changes nothing in what is done.
  stderr.on('error', () => undefined);
  let code: number | undefined;
  try {
    const program = await line.program(words);
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    code = report(error);
  }
  // Not left to Node, which takes handlers of signals away as it ends: one more Ctrl-C would then have killed what is done.
  stdout.write('', (error) => {
    if (error) unprinted(error);
    exit(code ?? process.exitCode);
  });
}
