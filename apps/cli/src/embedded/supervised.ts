import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandFailed } from '../output/errors.js';
import { LogFile } from './log-file.js';
import type { Descriptors } from './server-keys.js';

export interface Program {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Its working folder: by it a later `up` knows what an earlier one has left behind. */
  readonly cwd: string;
  /** What it has under descriptor 3 and the following ones. */
  readonly descriptors?: Descriptors;
  readonly logFile: string;
  /** Resolves when the program serves; rejects or never resolves otherwise. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  readonly readyWithinMs: number;
  /** Done to each process of the program, from its start on; where it rejects that is told, and the program goes on. */
  readonly adjust?: (pid: number) => Promise<unknown>;
  readonly stopWithinMs: number;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;
/** A program that ran this long had started well: the pause before its next start is the first one again. */
const HEALTHY_AFTER_MS = 30_000;
const LOG_LINES_SHOWN = 5;

/** In its own process, which becomes the program: what it holds in memory must not be left on a disk by its fall. */
const NO_CORE = 'ulimit -c 0; exec "$@"';

/** One child process that is started again when it ends, with growing pauses, until it is stopped. */
export class Supervised {
  private child: ChildProcess | undefined;
  private readonly log: LogFile;
  private readonly stopping = new AbortController();
  private pauseMs = FIRST_PAUSE_MS;

  constructor(
    readonly program: Program,
    private readonly tell: (message: string) => void,
    private readonly launched: () => void = () => undefined,
  ) {
    this.log = new LogFile(program.logFile);
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Starts the program and waits until it serves; throws with its last words when it ends or takes too long. */
  async start(signal: AbortSignal = new AbortController().signal): Promise<void> {
    const { name, readyWithinMs, ready } = this.program;
    const gaveUp = new AbortController();
    const deadline = AbortSignal.any([AbortSignal.timeout(readyWithinMs), signal, gaveUp.signal]);
    const ended = this.launch();
    try {
      await Promise.race([ready(deadline), ended.then((how) => Promise.reject(this.failed(how)))]);
    } catch (cause) {
      if (cause instanceof CommandFailed) throw cause;
      throw this.failed(`${name} did not serve within ${readyWithinMs / 1000} s`, cause);
    } finally {
      gaveUp.abort();
    }
    void ended.then((how) => this.again(how));
  }

  /** Ends the program: SIGTERM, then SIGKILL after its time. */
  async stop(): Promise<void> {
    this.stopping.abort();
    const child = this.child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), this.program.stopWithinMs);
    await ended;
    clearTimeout(late);
  }

  /** Resolves with how it ended. In a session of its own, so that Ctrl-C reaches us alone and we stop all in order. */
  private launch(): Promise<string> {
    const { name, command, args, cwd, descriptors = [] } = this.program;
    const startedAt = Date.now();
    const child = spawn('/bin/sh', ['-c', NO_CORE, 'sh', command, ...args], {
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', ...descriptors],
    });
    child.stdout?.on('data', (chunk: Buffer) => this.log.write(chunk));
    child.stderr?.on('data', (chunk: Buffer) => this.log.write(chunk));
    this.child = child;
    this.launched();
    if (child.pid !== undefined) void this.adjust(child.pid);
    return new Promise((resolve) => {
      child.once('error', (error) => resolve(`${name} cannot be started: ${error.message}`));
      child.once('close', (code, signal) => {
        if (Date.now() - startedAt > HEALTHY_AFTER_MS) this.pauseMs = FIRST_PAUSE_MS;
        resolve(`${name} ended (${signal ?? `code ${code ?? '?'}`})`);
      });
    });
  }

  private async adjust(pid: number): Promise<void> {
    try {
      await this.program.adjust?.(pid);
    } catch (error) {
      // One that ended before is started anew, and adjusted then.
      if (this.child?.pid !== pid || this.child.exitCode !== null) return;
      this.tell(`${this.program.name} runs unadjusted: ${String(error)}`);
    }
  }

  private async again(how: string): Promise<void> {
    while (!this.stopping.signal.aborted) {
      this.tell(`${how}, starting it again in ${this.pauseMs} ms; log: ${this.program.logFile}`);
      const { signal } = this.stopping;
      await delay(this.pauseMs, undefined, { signal }).catch(() => undefined);
      this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS);
      if (signal.aborted) return;
      how = await this.launch();
    }
  }

  private failed(how: string, cause?: unknown): CommandFailed {
    const words = this.log.tail(LOG_LINES_SHOWN);
    const said = words === '' ? '' : `; it said last:\n${words}`;
    return new CommandFailed(`${how}${said}`, `its log is ${this.program.logFile}`, { cause });
  }
}
