import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { createInterface } from 'node:readline';
import { projectRoot } from '../../e2e/support/product.js';
import type { ConnectionOrders } from './connection-flood.js';
import type { FloodCounts } from './flood-counts.js';
import type { WriteOrders } from './write-flood.js';

const PROGRAMS = join(projectRoot, 'dist/test/attack/support');

/** Of a process, and of a session: a third of the CPU that others get who want it too. With less it hardly attacks. */
const PRIORITY = 5;
const STOP_WITHIN_MS = 10_000;

/**
 * An attacker's program that runs. It stands for one on another machine, so it gets little but what the product leaves
 * of the CPU here: it has a low priority, and so has its session, where Linux divides the CPU by session (sched_autogroup).
 */
export class Flood {
  /** What it said last. */
  counts: FloodCounts = { done: 0, standing: 0, share: 0 };

  private constructor(private readonly child: ChildProcess) {}

  /** Starts it and waits until it has told something for the first time. */
  static async start(orders: ConnectionOrders | WriteOrders): Promise<Flood> {
    const program = 'nodeId' in orders ? 'write-flood.js' : 'connection-flood.js';
    const child = spawn(execPath, [join(PROGRAMS, program)], {
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const flood = new Flood(child);
    await yieldToAll(child.pid ?? 0);
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => (flood.counts = JSON.parse(line) as FloodCounts));
    child.stdin.end(JSON.stringify(orders));
    await Promise.race([once(lines, 'line'), once(lines, 'close')]);
    return flood;
  }

  /** Ends it; what it did in all. */
  async stop(): Promise<FloodCounts> {
    const ended = once(this.child, 'close');
    const late = setTimeout(() => this.child.kill('SIGKILL'), STOP_WITHIN_MS);
    if (this.child.exitCode === null && this.child.kill('SIGTERM')) await ended;
    clearTimeout(late);
    return this.counts;
  }
}

async function yieldToAll(pid: number): Promise<void> {
  setPriority(pid, PRIORITY);
  try {
    await writeFile(`/proc/${pid}/autogroup`, String(PRIORITY));
  } catch (error) {
    // A kernel that does not divide by session has no such file: the priority of the process is enough there.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}
