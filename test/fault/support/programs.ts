import { kill } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Supervised } from '../../../apps/cli/src/embedded/supervised.js';
import type { LinkProxy } from '#testing';

const LOOKS_EVERY_MS = 100;
const SERVES_WITHIN_MS = 30_000;

/** All processes and links of a run, by the names that a plan uses. */
export class Programs {
  readonly #running = new Map<string, Supervised>();
  readonly links = new Map<string, LinkProxy>();
  readonly #stopped = new Set<number>();

  async start(name: string, program: Supervised): Promise<void> {
    this.#running.set(name, program);
    await program.start();
  }

  /** Ends it for good: another one of this name may be started. */
  async end(name: string): Promise<void> {
    await this.#running.get(name)?.stop();
    this.#running.delete(name);
  }

  /** Ends it, and resolves when another process of it serves; throws where it does not run at this moment. */
  async restart(name: string): Promise<void> {
    const before = this.#pidOf(name);
    kill(before, 'SIGTERM');
    while (this.#running.get(name)?.pid === before) await delay(LOOKS_EVERY_MS);
    await this.#running.get(name)?.program.ready(AbortSignal.timeout(SERVES_WITHIN_MS));
  }

  /** Sends a signal; throws where the program does not run at this moment. */
  signal(name: string, signal: NodeJS.Signals): void {
    const pid = this.#pidOf(name);
    kill(pid, signal);
    if (signal === 'SIGSTOP') this.#stopped.add(pid);
  }

  /** Whatever stands still goes on, and every link is whole. */
  heal(): void {
    for (const pid of this.#stopped) {
      try {
        kill(pid, 'SIGCONT');
      } catch {
        // It was killed meanwhile.
      }
    }
    this.#stopped.clear();
    for (const link of this.links.values()) link.restore();
  }

  #pidOf(name: string): number {
    const pid = this.#running.get(name)?.pid;
    if (pid === undefined) throw new Error(`${name} does not run`);
    return pid;
  }

  async stop(): Promise<void> {
    this.heal();
    for (const program of [...this.#running.values()].reverse()) await program.stop();
    await Promise.all([...this.links.values()].map((link) => link.stop()));
  }
}
