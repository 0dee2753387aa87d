import { readlinkSync, realpathSync } from 'node:fs';
import { kill } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { isOfEarlierBoot, type RunRecord } from './run-record.js';

const SIGTERM_WITHIN_MS = 15_000;
const POLL_MS = 50;

/**
 * Ends programs of an `up` that was killed itself, in the reverse order of their start, and gives their names. A pid
 * may be another program's by now: only what still works in this data folder is ended.
 */
export async function endLeftovers(dataDir: string, record: RunRecord): Promise<string[]> {
  if (isOfEarlierBoot(record)) return [];
  const left = Object.entries(record.children).filter(([, pid]) => worksIn(pid, dataDir));
  for (const [, pid] of left.toReversed()) await end(pid, dataDir);
  return left.map(([name]) => name);
}

async function end(pid: number, dataDir: string): Promise<void> {
  kill(pid, 'SIGTERM');
  // A stopped one would keep the signal for ever.
  kill(pid, 'SIGCONT');
  const deadline = Date.now() + SIGTERM_WITHIN_MS;
  while (worksIn(pid, dataDir)) {
    if (Date.now() > deadline) kill(pid, 'SIGKILL');
    await delay(POLL_MS);
  }
}

/** The kernel names folders without links. */
function worksIn(pid: number, dataDir: string): boolean {
  try {
    return (
      pid > 0 && pid !== process.pid && readlinkSync(`/proc/${pid}/cwd`) === realpathSync(dataDir)
    );
  } catch {
    return false;
  }
}
