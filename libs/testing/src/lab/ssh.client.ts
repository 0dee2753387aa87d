import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

import { VmTimeoutError } from './lab.errors.js';
import { type Lifetime, spawnDaemon } from './qemu-process.js';
import { type CommandResult, runCommand } from './run-command.js';

/** How a guest is reached: loopback port, private key, and the socket that calls share (a control socket). */
export interface SshTarget {
  port: number;
  keyFile: string;
  controlPath: string;
}

/** Arguments of `ssh` up to the remote command; over the shared connection where it stands, else directly. */
export function sshArguments(target: SshTarget): string[] {
  const options = [
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'BatchMode=yes',
  ];
  return [
    ...['-F', 'none', '-i', target.keyFile, '-p', String(target.port), '-S', target.controlPath],
    ...[...options, 'IdentitiesOnly=yes', 'ConnectTimeout=10'].flatMap((option) => ['-o', option]),
    'root@127.0.0.1',
  ];
}

/** A login that takes longer lost its packets in a guest that was going down or just came up: another one is tried. */
const LOGIN_WITHIN_MS = 30_000;

/** Root's ssh to one guest over one kept connection, so that a call costs about 0.1 s. */
export class SshClient {
  private connection: ChildProcess | undefined;
  private hasGreeted = false;

  constructor(
    private readonly target: SshTarget,
    private readonly lifetime: Lifetime,
    private readonly logFile: string,
  ) {}

  /**
   * Opens the kept connection, trying until the guest answers, with `meanwhile` after each try; throws VmTimeoutError
   * after `timeoutMs`, which tells whether sshd was there.
   */
  async connect(timeoutMs: number, meanwhile: () => Promise<void>): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    for (
      let patienceMs = 1_000;
      !(await this.tryConnect(patienceMs));
      patienceMs = Math.min(patienceMs * 1.3, 10_000)
    ) {
      if (Date.now() > deadline)
        throw new VmTimeoutError(
          `no ssh on port ${this.target.port} in ${timeoutMs} ms: ${this.lastWords()}`,
        );
      await meanwhile();
      await delay(100);
    }
  }

  /** Runs one command line in the guest's shell; never throws for its exit code. */
  run(
    command: string,
    options: { input?: string | Uint8Array | undefined; timeoutMs: number },
  ): Promise<CommandResult> {
    return runCommand(
      'ssh',
      ['-o', 'ControlMaster=no', ...sshArguments(this.target), '--', command],
      options,
    );
  }

  /** Closes the kept connection; the next `connect` opens another. */
  disconnect(): void {
    this.connection?.kill('SIGTERM');
    this.connection = undefined;
    rmSync(this.target.controlPath, { force: true });
  }

  private lastWords(): string {
    if (!this.hasGreeted) return 'sshd never greeted';
    const log = existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8').trim() : '';
    return `sshd greeted, no login ended well; ssh's last words: ${log.slice(-500) || 'none'}`;
  }

  private async tryConnect(patienceMs: number): Promise<boolean> {
    this.disconnect();
    if (!(await greets(this.target.port, patienceMs))) return false;
    this.hasGreeted = true;
    const deadline = Date.now() + LOGIN_WITHIN_MS;
    const args = ['-M', '-N', ...sshArguments(this.target)];
    const child = spawnDaemon('ssh', args, this.lifetime, this.logFile);
    this.connection = child;
    // ssh makes its socket only after it has logged in.
    while (!existsSync(this.target.controlPath)) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline)
        return false;
      await delay(20);
    }
    return true;
  }
}

/**
 * Whether sshd greets on the port. QEMU accepts connections while the guest is down, and repeats them to it more and
 * more rarely, so many short attempts find a booting guest seconds sooner than one long one.
 */
function greets(port: number, patienceMs: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ port, host: '127.0.0.1' });
  const timer = setTimeout(() => resolve(false), patienceMs);
  socket.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1').startsWith('SSH-')));
  socket.on('error', () => resolve(false)).on('close', () => resolve(false));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

/** Quotes words for a POSIX shell. */
export function shellQuote(words: readonly string[]): string {
  return words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
}
