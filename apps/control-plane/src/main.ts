import 'reflect-metadata';
import { CommanderError } from 'commander';
import { describeError } from '#observability';
import { PostgresError } from '#postgresql';
import { BackupError } from './commands/backup/backup-error.js';
import { controlPlaneProgram } from './commands/program.js';
import { ConfigError } from './config/index.js';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Says what went wrong, and gives the exit code. */
function report(error: unknown): number {
  // Commander has printed it.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  const text = error instanceof Error && isPlain(error) ? error.message : describeError(error);
  process.stderr.write(`hostward control-plane: ${text}\n`);
  return EXIT_FAILED;
}

/** Whether its message says it all: who reads it is an operator. */
function isPlain(error: Error): boolean {
  return [ConfigError, BackupError, PostgresError].some((kind) => error instanceof kind);
}

controlPlaneProgram()
  .parseAsync()
  .then(
    // Not by itself: a TLS connection that was refused can make Node spin for ever while it clears up (seen on 26.10).
    () => process.exit(),
    (error: unknown) => process.exit(report(error)),
  );
