import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { env } from 'node:process';
import { promisify } from 'node:util';
import { eventually } from './eventually.js';

const run = promisify(execFile);

/** A real ssh-agent that holds one key; its socket lies in a folder of the test's. End it when done. */
export class SshAgent {
  private constructor(
    readonly socket: string,
    private readonly process: ChildProcess,
  ) {}

  static async start(folder: string, keyFile: string): Promise<SshAgent> {
    const socket = join(folder, 'agent.sock');
    const agent = new SshAgent(socket, spawn('ssh-agent', ['-D', '-a', socket]));
    const reach = { env: { ...env, SSH_AUTH_SOCK: socket } };
    await eventually('the ssh-agent takes the key', 10_000, () =>
      run('ssh-add', ['-q', keyFile], reach),
    );
    return agent;
  }

  async end(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    await ended;
  }
}
