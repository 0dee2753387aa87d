import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { cleanEnvironment, projectRoot, type CliResult } from './product.js';

const TIMEOUT_MS = 180_000;

export interface CommandOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly uid?: number;
}

/** A command as it runs, in a process group of its own, as a shell gives to a job. */
export class RunningCommand {
  #stdout = '';
  #stderr = '';
  readonly ended: Promise<CliResult>;

  private constructor(readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) =>
        resolve({
          // As a shell says by which signal a program ended.
          code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]),
          stdout: this.#stdout,
          stderr: this.#stderr,
        }),
      );
    });
  }

  static start(
    command: string,
    args: readonly string[],
    { env, uid }: CommandOptions = {},
  ): RunningCommand {
    const child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...cleanEnvironment(), ...env },
      timeout: TIMEOUT_MS,
      ...(uid === undefined ? {} : { uid, gid: uid, cwd: '/' }),
    });
    return new RunningCommand(child);
  }

  /** The built CLI, without the shell script around it. */
  static cli(args: readonly string[], options?: CommandOptions): RunningCommand {
    return RunningCommand.start(execPath, [...CLI, ...args], options);
  }

  /** The same with the commands that work on the sources. */
  static tool(args: readonly string[], options?: CommandOptions): RunningCommand {
    return RunningCommand.start(execPath, [...TOOLS, ...args], options);
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Its lines so far, without an unfinished last one. */
  get lines(): string[] {
    return this.#stdout.split('\n').slice(0, -1);
  }

  /** Sends a signal to its whole process group, as a terminal does; nothing where it has ended. */
  signal(signal: NodeJS.Signals): void {
    try {
      process.kill(-(this.child.pid ?? 0), signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Ends it. */
  async stop(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended;
  }
}

/** Words that run the built CLI after the name of Node. */
export const CLI = builtProgram('apps/cli');

/** The same for a CLI that also has the commands that work on the sources. */
export const TOOLS = builtProgram('tools');

function builtProgram(folder: string): readonly string[] {
  return [
    '--disable-warning=ExperimentalWarning',
    join(projectRoot, 'dist', folder, 'src/bundle.js'),
  ];
}

/** `./hostward`, the shell script that users type, as it runs. */
export function startHostward(args: readonly string[], env?: NodeJS.ProcessEnv): RunningCommand {
  return RunningCommand.start(join(projectRoot, 'hostward'), args, { env });
}

/** A command of `./hostward` to its end. */
export function hostward(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<CliResult> {
  return startHostward(args, env).ended;
}
