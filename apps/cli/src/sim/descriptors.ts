import { readFile } from 'node:fs/promises';
import { CommandFailed } from '../errors.js';

/** Three connections to Redis, one to the control plane for a moment, one file for a moment. */
const A_HOST = 5;
const A_PROCESS = 256;

/** Throws where a process may not open what so many hosts need. */
export async function checkDescriptors(hostsInAProcess: number): Promise<void> {
  const needed = hostsInAProcess * A_HOST + A_PROCESS;
  const limits = await readFile('/proc/self/limits', 'utf8');
  const hard = Number(/^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1] ?? Infinity);
  if (hard >= needed) return;
  throw new CommandFailed(
    `a process of ${hostsInAProcess} simulated hosts opens up to ${needed} files, and ${hard} are allowed`,
    `raise the limit (ulimit -Hn ${needed}), or simulate in more processes (--processes)`,
  );
}
