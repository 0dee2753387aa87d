import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { argv, execArgv, execPath } from 'node:process';
import { CommandFailed } from '../output/errors.js';
import { goOnUnread } from '../output/standard-output.js';

const WITHIN_MS = 400_000;
const LOG_LINES_SHOWN = 12;

/** Runs this same command without `--detach` in the background; gives what it says when it serves. */
export async function startDetached(dataDir: string): Promise<string> {
  const logFile = join(dataDir, 'up.log');
  const log = openSync(logFile, 'a', 0o600);
  const before = statSync(logFile).size;
  const args = [...execArgv, ...argv.slice(1).filter((word) => word !== '--detach')];
  const child = spawn(execPath, args, { detached: true, stdio: ['ignore', log, log, 'ipc'] });
  closeSync(log);
  const summary = await firstMessage(child);
  if (summary !== undefined) {
    child.disconnect();
    child.unref();
    return summary;
  }
  child.kill('SIGTERM');
  const said = readFileSync(logFile).subarray(before).toString('utf8').trimEnd();
  const last = said.split('\n').slice(-LOG_LINES_SHOWN).join('\n');
  throw new CommandFailed(`it did not start:\n${last}`, `the logs are in ${dataDir}`);
}

/**
 * Says that this `up` serves: to the command that started it in the background, or else on standard output. The token
 * in it goes to the one who waits for it, not into a log.
 */
export function announce(summary: string): void {
  // Whoever waited may be gone: that ends nothing here.
  goOnUnread();
  if (process.send === undefined) console.log(summary);
  else process.send(summary, () => undefined);
}

function firstMessage(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(undefined), WITHIN_MS);
    const settle = (summary?: string): void => {
      clearTimeout(late);
      resolve(summary);
    };
    child.once('message', (message) => settle(typeof message === 'string' ? message : undefined));
    child.once('exit', () => settle());
    child.once('error', () => settle());
  });
}
