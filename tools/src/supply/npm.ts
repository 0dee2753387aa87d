import { execFile } from 'node:child_process';
import { CommandFailed } from '../../../apps/cli/src/output/errors.js';

export interface NpmAnswer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const TIMEOUT_MS = 120_000;
const MAX_BYTES = 64 * 1024 * 1024;

/** Runs npm in the project's folder; it may end with any code. */
export function npm(root: string, args: readonly string[]): Promise<NpmAnswer> {
  return new Promise((resolve, reject) => {
    const options = { cwd: root, timeout: TIMEOUT_MS, maxBuffer: MAX_BYTES };
    execFile('npm', args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr });
      else if (typeof error.code === 'number') resolve({ code: error.code, stdout, stderr });
      else reject(unavailable(args, error));
    });
  });
}

function unavailable([verb = '']: readonly string[], error: Error): CommandFailed {
  return new CommandFailed(
    `\`npm ${verb}\` could not be run: ${error.message}`,
    'install npm (Debian: apt-get install npm)',
    { cause: error },
  );
}
