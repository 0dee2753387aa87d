import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export interface Program {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** Resolves when the program serves; rejects or never resolves otherwise. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  readonly readyWithinMs: number;
  readonly stopWithinMs: number;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;
/** A program that ran this long had started well: the pause before its next start is the first one again. */
const HEALTHY_AFTER_MS = 30_000;

/** One child process that is started again when it ends, with growing pauses, until it is stopped. */
export class Supervised {
  private child: ChildProcess | undefined;
  private readonly log: WriteStream;
  private stopping = false;
  private pauseMs = FIRST_PAUSE_MS;
  restarts = 0;

  constructor(
    readonly program: Program,
    private readonly tell: (message: string) => void,
  ) {
    this.log = createWriteStream(program.logFile, { flags: 'a', mode: 0o600 });
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Starts the program and waits until it serves; throws with the log's place when it does not. */
  async start(): Promise<void> {
    this.launch();
    const deadline = AbortSignal.timeout(this.program.readyWithinMs);
    await this.program.ready(deadline).catch((cause: unknown) => {
      const { name, readyWithinMs, logFile } = this.program;
      throw new Error(
        `${name} did not serve within ${readyWithinMs / 1000} s; its log is ${logFile}`,
        { cause },
      );
    });
  }

  /** Ends the program: SIGTERM, then SIGKILL after its time. */
  async stop(): Promise<void> {
    this.stopping = true;
    const child = this.child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), this.program.stopWithinMs);
      await ended;
      clearTimeout(late);
    }
    this.log.end();
  }

  private launch(): void {
    const { command, args, env } = this.program;
    const startedAt = Date.now();
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    child.stdout.pipe(this.log, { end: false });
    child.stderr.pipe(this.log, { end: false });
    child.once('error', (error) =>
      this.tell(`${this.program.name} cannot be started: ${error.message}`),
    );
    child.once('exit', (code, signal) => void this.ended(startedAt, code, signal));
    this.child = child;
  }

  private async ended(
    startedAt: number,
    code: number | null,
    signal: string | null,
  ): Promise<void> {
    if (this.stopping) return;
    if (Date.now() - startedAt > HEALTHY_AFTER_MS) this.pauseMs = FIRST_PAUSE_MS;
    this.tell(
      `${this.program.name} ended (${signal ?? `code ${code ?? '?'}`}), starting it again in ${this.pauseMs} ms`,
    );
    await delay(this.pauseMs);
    this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS);
    this.restarts++;
    if (!this.stopping) this.launch();
  }
}
