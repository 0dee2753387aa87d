import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { cleanEnvironment, projectRoot, type CliResult } from './product.js';

const TIMEOUT_MS = 180_000;

/** A command of `./hostward`, the shell script that users type, as it runs. */
export class ShellEntry {
  #stdout = '';
  #stderr = '';
  readonly ended: Promise<CliResult>;

  private constructor(readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) =>
        resolve({
          code: code ?? (signal === null ? 1 : 128),
          stdout: this.#stdout,
          stderr: this.#stderr,
        }),
      );
    });
  }

  /** Starts it in a process group of its own, as a shell does for a job. */
  static start(args: readonly string[], env: NodeJS.ProcessEnv = {}): ShellEntry {
    const child = spawn(join(projectRoot, 'hostward'), args, {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...cleanEnvironment(), ...env },
      timeout: TIMEOUT_MS,
    });
    return new ShellEntry(child);
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }
}

/** Runs a command of `./hostward` to its end. */
export function hostward(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<CliResult> {
  return ShellEntry.start(args, env).ended;
}
