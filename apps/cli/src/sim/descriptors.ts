import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { CommandFailed } from '../output/errors.js';

/** Two connections to Redis; for a moment one more there, one to the control plane, and one file. */
const A_HOST = 5;
const A_PROCESS = 256;

/** Throws where a process may not open what so many hosts need. */
export async function checkDescriptors(hostsInAProcess: number): Promise<void> {
  const needed = hostsInAProcess * A_HOST + A_PROCESS;
  const hard = await allowed();
  if (hard >= needed) return;
  throw new CommandFailed(
    `a process of ${hostsInAProcess} simulated hosts opens up to ${needed} files, and ${hard} are allowed`,
    `raise the limit (ulimit -Hn ${needed}), or simulate in more processes (--processes)`,
  );
}

/** One for each core, or as many as the files take that so many hosts open. */
export async function processesFor(hosts: number): Promise<number> {
  const fewest = Math.ceil((hosts * A_HOST) / Math.max((await allowed()) - A_PROCESS, A_HOST));
  return Math.min(hosts, Math.max(fewest, availableParallelism()));
}

/** Files that a process may have open. */
async function allowed(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8');
  return Number(/^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
}
