import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ServerProcess } from '#testing';
import { cleanEnvironment } from '../../e2e/support/product.js';

const run = promisify(execFile);
const START_MS = 240_000;
const COMMAND_MS = 15 * 60_000;

/** A Docker of its own: its folder, its network and its processes are nobody else's, and end with it. Needs root. */
export class DockerDaemon {
  private constructor(
    private readonly folder: string,
    private readonly daemon: ServerProcess,
  ) {}

  static async start(folder: string): Promise<DockerDaemon> {
    const options = [
      ...[`--data-root=${folder}/data`, `--exec-root=${folder}/exec`, `--pidfile=${folder}/pid`],
      // Nothing leaves its network, so that nothing is to be translated.
      ...[`--host=unix://${folder}/socket`, '--iptables=false', '--ip6tables=false'],
    ];
    const own = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
    const start = `ip link set lo up && exec dockerd ${options.join(' ')}`;
    const daemon = await ServerProcess.start({
      command: 'unshare',
      args: [...own, 'sh', '-c', start],
      ready: /API listen on/,
      timeoutMs: START_MS,
    });
    return new DockerDaemon(folder, daemon);
  }

  /** Runs a line of shell with `docker` at this daemon; gives what it prints, and throws with that when it fails. */
  async shell(line: string, cwd = this.folder): Promise<string> {
    const { stdout } = await run('sh', ['-ec', line], {
      cwd,
      env: { ...cleanEnvironment(), DOCKER_HOST: `unix://${join(this.folder, 'socket')}` },
      timeout: COMMAND_MS,
    });
    return stdout;
  }

  /** Runs a program in its network, where the ports are that containers publish. */
  async inside(
    command: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const network = `--net=/proc/${this.daemon.pid}/ns/net`;
    const { stdout } = await run('nsenter', [network, ...command], {
      env: { ...cleanEnvironment(), ...env },
      timeout: COMMAND_MS,
    });
    return stdout;
  }

  stop(): Promise<void> {
    return this.daemon.stop();
  }
}
