import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { createInterface } from 'node:readline';
import { projectRoot } from '../../e2e/support/product.js';
import type { FloodCounts, FloodOrders } from './connection-flood.js';

const PROGRAM = join(projectRoot, 'dist/test/attack/support/connection-flood.js');

/** An attacker's program that runs. */
export class Flood {
  /** What it said last. */
  counts: FloodCounts = { opened: 0, standing: 0, share: 0 };

  private constructor(private readonly child: ChildProcess) {}

  /** Starts it and waits until it has told something for the first time. */
  static async start(orders: FloodOrders): Promise<Flood> {
    const child = spawn(execPath, [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    const flood = new Flood(child);
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => (flood.counts = JSON.parse(line) as FloodCounts));
    child.stdin.end(JSON.stringify(orders));
    await Promise.race([once(lines, 'line'), once(lines, 'close')]);
    return flood;
  }

  async stop(): Promise<FloodCounts> {
    const ended = once(this.child, 'exit');
    if (this.child.exitCode === null && this.child.kill('SIGKILL')) await ended;
    return this.counts;
  }
}
