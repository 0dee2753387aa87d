import { spawn, type ChildProcess } from 'node:child_process';
import { execPath } from 'node:process';
import { createInterface } from 'node:readline';
import type { SimulationNews, SimulationOrder, SimulationPlan } from '#contracts';
import { appMain } from '../product/package-root.js';

const STOP_WITHIN_MS = 30_000;
/**
 * By default all objects are gone through whenever 64 MiB of buffers have come since the last time, which are the
 * connections of 1,300 hosts: of thousands that come back a third of the work. With it buffers count as all other memory.
 */
const NODE_FLAGS = [
  '--disable-warning=ExperimentalWarning',
  '--external-memory-accounted-in-global-limit',
];

/** One process of simulated hosts; it ends when this one does. */
export class Simulator {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #stopping = false;

  constructor(plan: SimulationPlan, told: (news: SimulationNews) => void) {
    const args = [...NODE_FLAGS, appMain('agent'), 'simulate'];
    // In a session of its own, so that Ctrl-C reaches us alone.
    const child = spawn(execPath, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once(
        'error',
        (error) => (told({ kind: 'trouble', message: error.message }), resolve()),
      );
      child.once('close', (code, signal) => {
        if (!this.#stopping)
          told({
            kind: 'trouble',
            message: `a simulator ended (${signal ?? `code ${code ?? '?'}`})`,
          });
        resolve();
      });
    });
    child.stdin?.on('error', () => undefined);
    if (child.stdout)
      createInterface({ input: child.stdout }).on('line', (line) => {
        told(JSON.parse(line) as SimulationNews);
      });
    child.stdin?.write(`${JSON.stringify(plan)}\n`);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  order(order: SimulationOrder): void {
    this.#child.stdin?.write(`${order}\n`);
  }

  /** Ends its hosts, then the process; kills it after its time. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#child.stdin?.end();
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOP_WITHIN_MS);
    await this.#ended;
    clearTimeout(late);
  }
}
