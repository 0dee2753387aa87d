import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { argv, execArgv, execPath } from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Context } from '../client/context.js';
import { contextFile, readContexts } from '../client/context-file.js';
import { CommandFailed } from '../output/errors.js';
import { freePort } from './free-ports.js';
import { runningUp, type RunRecord } from './run-record.js';

const COMMAND_TIMEOUT_MS = 180_000;
const START_WITHIN_MS = 120_000;
const STOP_WITHIN_MS = 60_000;
const POLL_MS = 100;

/**
 * A control plane of its own in a folder of its own, run and used by the commands that a person types: nothing of the
 * user's context is read or written. It is a child in its own process group, so Ctrl-C reaches its owner, who stops it.
 */
export class PrivateControlPlane {
  port = 0;
  private child: ChildProcess | undefined;

  constructor(private readonly folder: string) {}

  get dataDir(): string {
    return join(this.folder, 'data');
  }

  /** Starts `up` without an agent and waits until it serves; `flags` are more of its own. Call `down` also after a failure. */
  async up(...flags: readonly string[]): Promise<RunRecord> {
    this.port = await freePort();
    await mkdir(this.dataDir, { recursive: true, mode: 0o700 });
    const log = await open(join(this.dataDir, 'up.log'), 'w', 0o600);
    const args = [
      'up',
      '--no-local-agent',
      `--data-dir=${this.dataDir}`,
      `--listen=127.0.0.1:${this.port}`,
      ...flags,
    ];
    this.child = spawn(execPath, [...execArgv, argv[1] ?? '', ...args], {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: this.env(),
    });
    await log.close();
    return this.started(this.child);
  }

  /** Ends it, whether or not it had come to serve. */
  async down(): Promise<void> {
    const { child } = this;
    if (child === undefined || ended(child)) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS);
    await gone;
    clearTimeout(late);
  }

  /** Pids and address of what runs. */
  async record(): Promise<RunRecord> {
    const record = await runningUp(this.dataDir);
    if (record === undefined) throw new CommandFailed('its control plane is not up any more');
    return record;
  }

  /** The context that `up` wrote, for a client of the same process. */
  async context(): Promise<Context> {
    const { current, contexts } = await readContexts(contextFile(this.configHome));
    const found = contexts[current ?? ''];
    if (found === undefined) throw new CommandFailed('its `up` has written no context');
    return found;
  }

  /** Output of a command; throws when it ends with anything but 0. */
  async run(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(execPath, [...execArgv, argv[1] ?? '', ...args], {
      env: this.env(),
      timeout: COMMAND_TIMEOUT_MS,
      maxBuffer: 16 * 1024 * 1024,
    });
    return stdout;
  }

  private async started(child: ChildProcess): Promise<RunRecord> {
    const deadline = Date.now() + START_WITHIN_MS;
    for (;;) {
      const record = await runningUp(this.dataDir);
      if (record !== undefined) return record;
      if (ended(child) || Date.now() > deadline) {
        const log = await readFile(join(this.dataDir, 'up.log'), 'utf8').catch(() => '');
        throw new CommandFailed(`the control plane did not start:\n${log.trimEnd()}`);
      }
      await delay(POLL_MS);
    }
  }

  private env(): NodeJS.ProcessEnv {
    // A context of the user's must not lead the commands to another control plane.
    const others = Object.entries(process.env).filter(([name]) => !name.startsWith('HOSTWARD_'));
    return { ...Object.fromEntries(others), XDG_CONFIG_HOME: this.configHome };
  }

  private get configHome(): string {
    return join(this.folder, 'config');
  }
}

function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
