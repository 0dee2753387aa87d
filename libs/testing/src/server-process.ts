import { type ChildProcess, spawn, spawnSync } from 'node:child_process';

/** How a real server is run for a test; `ready` is matched against what it prints. */
export interface ServerProcessOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly ready: RegExp;
  readonly timeoutMs?: number;
  /** What asks it to end; default: SIGTERM. */
  readonly stopSignal?: 'SIGTERM' | 'SIGINT';
}

/** A server started for a test; the kernel ends it with the test process, so none is left behind. */
export class ServerProcess {
  private output = '';

  private constructor(
    private readonly child: ChildProcess,
    readonly pid: number,
    private readonly exited: Promise<void>,
    private readonly stopSignal: 'SIGTERM' | 'SIGINT',
  ) {}

  /** Starts the command and waits until it says that it is ready; rejects with its output otherwise. */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    const [command, args] = withParentDeathSignal(options.command, options.args);
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/' });
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    const server = new ServerProcess(
      child,
      child.pid ?? 0,
      exited,
      options.stopSignal ?? 'SIGTERM',
    );
    await server.untilReady(options);
    return server;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Asks it to end and waits; kills it after five seconds. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5_000);
    this.child.kill(this.stopSignal);
    await this.exited;
    clearTimeout(timer);
  }

  /** Ends it at once, as a power cut would. */
  async kill9(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  /** SIGSTOP or SIGCONT: the server hangs, its sockets stay open. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.child.kill(signal);
  }

  private untilReady({ ready, timeoutMs = 60_000, command }: ServerProcessOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (why: string): void => {
        this.child.kill('SIGKILL');
        reject(new Error(`${command} ${why}\n${this.output.slice(-2_000)}`));
      };
      const timer = setTimeout(() => fail(`was not ready after ${timeoutMs} ms`), timeoutMs);
      void this.exited.then(() => {
        clearTimeout(timer);
        fail('ended before it was ready');
      });
      const read = (bytes: Buffer): void => {
        this.output = (this.output + bytes.toString()).slice(-65_536);
        if (!ready.test(this.output)) return;
        clearTimeout(timer);
        resolve();
      };
      this.child.stdout?.on('data', read);
      this.child.stderr?.on('data', read);
    });
  }
}

/** setpriv asks the kernel for SIGKILL when the parent dies; without setpriv only an orderly exit cleans up. */
function withParentDeathSignal(
  command: string,
  args: readonly string[],
): [string, readonly string[]] {
  const setpriv = spawnSync('setpriv', ['--version']);
  if (setpriv.status !== 0) return [command, args];
  return ['setpriv', ['--pdeathsig', 'KILL', '--', command, ...args]];
}
