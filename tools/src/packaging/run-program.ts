import { execFile } from 'node:child_process';
import { env } from 'node:process';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';

const TIMEOUT_MS = 900_000;
const OUTPUT_BYTES = 16 * 1024 * 1024;

/** Runs a program to its end and gives what it printed; throws CommandFailed with its words. */
export function runProgram(
  command: string,
  args: readonly string[],
  { cwd, more = {} }: { readonly cwd?: string; readonly more?: Record<string, string> } = {},
): Promise<string> {
  const options = {
    cwd,
    env: { ...env, ...more, LC_ALL: 'C.UTF-8' },
    timeout: TIMEOUT_MS,
    maxBuffer: OUTPUT_BYTES,
  };
  return new Promise((resolve, reject) => {
    execFile(command, [...args], options, (cause, stdout, stderr) => {
      if (cause === null) return resolve(stdout);
      const missing = cause.code === 'ENOENT';
      const said = stderr.trim() || cause.message;
      reject(
        new CommandFailed(
          `\`${command} ${args.join(' ').slice(0, 200)}\` failed: ${said}`,
          missing ? `run it through ./hostward, or install ${command}` : undefined,
          { cause },
        ),
      );
    });
  });
}
