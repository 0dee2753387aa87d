import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { argv, execPath } from 'node:process';
import { promisify } from 'node:util';
import { freePort } from '../embedded/free-ports.js';
import { runningUp } from '../embedded/run-record.js';
import { CommandFailed } from '../errors.js';
import { tone } from '../output/style.js';

const TIMEOUT_MS = 180_000;
/** Where a guest finds this machine's loopback. */
const HOST_SEEN_FROM_GUEST = '10.0.2.2';

/** A control plane of its own for the demo, used through the same commands that a person types. */
export class DemoControlPlane {
  private port = 0;

  constructor(private readonly folder: string) {}

  async up(): Promise<void> {
    this.port = await freePort();
    await this.run(
      'up',
      '--detach',
      '--no-local-agent',
      `--data-dir=${this.dataDir}`,
      `--listen=127.0.0.1:${this.port}`,
    );
  }

  async down(): Promise<void> {
    if (this.port !== 0) await this.run('down', `--data-dir=${this.dataDir}`);
  }

  /** How a guest reaches it. */
  async address(): Promise<{ url: string; caFingerprint: string }> {
    const record = await runningUp(this.dataDir);
    if (record === undefined) throw new CommandFailed('the control plane of the demo is not up');
    return {
      url: `https://${HOST_SEEN_FROM_GUEST}:${this.port}`,
      caFingerprint: record.caFingerprint,
    };
  }

  /** Output of a command; it fails the demo when it ends with anything but 0. */
  async run(...args: string[]): Promise<string> {
    const program = argv[1] ?? '';
    const env = { ...process.env, XDG_CONFIG_HOME: join(this.folder, 'config') };
    const { stdout } = await promisify(execFile)(
      execPath,
      [...process.execArgv, program, ...args],
      {
        env,
        timeout: TIMEOUT_MS,
        maxBuffer: 16 * 1024 * 1024,
      },
    );
    return stdout;
  }

  /** As `run`, shown as a person would see it. */
  async show(...args: string[]): Promise<void> {
    console.log(tone(`$ hostward ${args.join(' ')}`, 'bold'));
    console.log((await this.run(...args)).trimEnd());
  }

  private get dataDir(): string {
    return join(this.folder, 'data');
  }
}
