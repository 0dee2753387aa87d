import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

import { LabError } from './lab.errors.js';
import { machineFiles } from './machine.js';
import { QmpClient } from './qmp.client.js';

const START_TIMEOUT_MS = 90_000;

/** Whether a child ends with this process, however that ends (`parent`), or outlives it (`detached`). */
export type Lifetime = 'parent' | 'detached';

/** Starts a program in the background; with lifetime `parent` the kernel kills it when this process dies. */
export function spawnDaemon(
  file: string,
  args: string[],
  lifetime: Lifetime,
  logFile: string,
): ChildProcess {
  const log = openSync(logFile, 'a');
  try {
    const stdio = ['ignore', log, log] as const;
    if (lifetime === 'parent')
      return spawn('setpriv', ['--pdeathsig', 'KILL', '--', file, ...args], { stdio: [...stdio] });
    const child = spawn(file, args, { stdio: [...stdio], detached: true });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

/** One running QEMU with its control connection. */
export class QemuProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly qmp: QmpClient,
    private readonly ended: Promise<void>,
    private readonly logFile: string,
  ) {}

  /** Starts QEMU in the run folder `dir`; throws LabError with QEMU's words if it does not come up. */
  static async start(args: string[], dir: string, lifetime: Lifetime): Promise<QemuProcess> {
    const files = machineFiles(dir);
    const child = spawnDaemon('qemu-system-x86_64', args, lifetime, files.qemuLog);
    const ended = new Promise<void>((resolve) =>
      child.once('exit', () => resolve()).once('error', () => resolve()),
    );
    try {
      return new QemuProcess(child, await connectQmp(child, files.qmp), ended, files.qemuLog);
    } catch (cause) {
      child.kill('SIGKILL');
      const words = await readFile(files.qemuLog, 'utf8').catch(() => '');
      throw new LabError(`QEMU did not start: ${words.trim().slice(-1500)}`, { cause });
    }
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new LabError('QEMU has no process id');
    return this.child.pid;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** How QEMU ended and what it said last; undefined while it runs. */
  async lastWords(): Promise<string | undefined> {
    if (this.isRunning) return undefined;
    const words = (await readFile(this.logFile, 'utf8')).trim().slice(-500);
    return `QEMU ended with ${this.child.signalCode ?? this.child.exitCode}, ${words === '' ? 'without a word' : `saying: ${words}`}`;
  }

  /** Ends QEMU at once, as if the power went; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
    this.qmp.close();
  }

  /** Resolves when QEMU ended by itself or by a guest's power-off. */
  async waitEnd(): Promise<void> {
    await this.ended;
    this.qmp.close();
  }

  /** Lets go of a detached QEMU: it runs on, this process may end. */
  release(): void {
    this.qmp.close();
    this.child.unref();
  }
}

async function connectQmp(child: ChildProcess, path: string): Promise<QmpClient> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) throw new LabError('it ended');
    try {
      return await QmpClient.connect(path);
    } catch (cause) {
      if (Date.now() > deadline) throw new LabError('no control socket', { cause });
    }
    await delay(20);
  }
}
