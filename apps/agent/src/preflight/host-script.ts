import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What of a script's output is taken here; what is not goes to the terminal as it comes. */
export interface ScriptOptions {
  readonly args: readonly string[];
  /** Gets each line of standard output; absent: it is shown. */
  readonly onLine?: (line: string) => void;
}

/** Scripts that also run where this program is not: they lie beside it in /usr/lib/hostward. */
const FOLDER = dirname(fileURLToPath(import.meta.url));

/**
 * Runs `preflight.sh` or `offboard.sh` and gives its exit code; 1 where a signal ended it.
 * @throws Error if it cannot be started
 */
export function runHostScript(
  name: 'preflight.sh' | 'offboard.sh',
  { args, onLine }: ScriptOptions,
): Promise<number> {
  const file = join(FOLDER, name);
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', [file, ...args], {
      stdio: ['inherit', onLine === undefined ? 'inherit' : 'pipe', 'inherit'],
    });
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = `${rest}${text}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine?.(line);
    });
    child.once('error', (cause) => reject(new Error(`${file} cannot be run`, { cause })));
    child.once('close', (code) => resolve(code ?? 1));
  });
}
