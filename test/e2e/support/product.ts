import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';
import { freePort } from '#testing';

/** The folder of package.json, whether this runs from sources or from dist. */
export const projectRoot = fileURLToPath(new URL('../../..', import.meta.url)).replace(
  /dist\/$/,
  '',
);

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunRecord {
  readonly pid: number;
  readonly url: string;
  readonly caFingerprint: string;
  readonly children: Readonly<Record<string, number>>;
}

const UP_TIMEOUT_MS = 180_000;
const CLI_TIMEOUT_MS = 120_000;

/** The product as a user has it: `./hostward up` in a folder of its own, and its CLI with a context of its own. */
export class Product {
  private constructor(
    readonly dataDir: string,
    private readonly configHome: string,
    readonly port: number,
  ) {}

  /** Starts everything with or without an agent for this machine. Stop it when done. */
  static async up(options: { localAgent?: boolean } = {}): Promise<Product> {
    const folder = await mkdtemp(join(tmpdir(), 'hostward-e2e-'));
    const product = new Product(join(folder, 'data'), join(folder, 'config'), await freePort());
    await product.start(options.localAgent ?? false);
    return product;
  }

  /** Runs `up --detach` on this product's folder; also after `down` or a kill. */
  async start(localAgent = false): Promise<CliResult> {
    const args = [
      'up',
      '--detach',
      `--data-dir=${this.dataDir}`,
      `--listen=127.0.0.1:${this.port}`,
    ];
    return this.must([...args, ...(localAgent ? [] : ['--no-local-agent'])], UP_TIMEOUT_MS);
  }

  /** Runs a command of the CLI, with text on its standard input if given. */
  cli(
    args: readonly string[],
    options: { input?: string; timeoutMs?: number; env?: Record<string, string> } = {},
  ): Promise<CliResult> {
    return new Promise((resolve, reject) => {
      const child = execFile(
        execPath,
        [
          '--disable-warning=ExperimentalWarning',
          join(projectRoot, 'dist/apps/cli/src/main.js'),
          ...args,
        ],
        {
          env: { ...process.env, XDG_CONFIG_HOME: this.configHome, ...options.env },
          timeout: options.timeoutMs ?? CLI_TIMEOUT_MS,
          maxBuffer: 64 * 1024 * 1024,
        },
        (error, stdout, stderr) => {
          if (error !== null && typeof error.code !== 'number')
            return reject(new Error(error.message));
          resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
        },
      );
      child.stdin?.end(options.input ?? '');
    });
  }

  /** As `cli`, and throws with both streams unless it ended with 0. */
  async must(args: readonly string[], timeoutMs?: number, input?: string): Promise<CliResult> {
    const result = await this.cli(args, { timeoutMs, input });
    if (result.code !== 0) {
      throw new Error(
        `hostward ${args.join(' ')} ended with ${result.code}\n${result.stdout}\n${result.stderr}`,
      );
    }
    return result;
  }

  /** Applies a document given as text. */
  apply(yaml: string, ...args: string[]): Promise<CliResult> {
    return this.must(['apply', '-f', '-', ...args], undefined, yaml);
  }

  async record(): Promise<RunRecord> {
    return JSON.parse(await readFile(join(this.dataDir, 'up.json'), 'utf8')) as RunRecord;
  }

  /** A join token of one use. */
  async joinToken(labels = ''): Promise<string> {
    const args = [
      'create',
      'join-token',
      '-o',
      'name',
      ...(labels === '' ? [] : ['--labels', labels]),
    ];
    return (await this.must(args)).stdout.trim();
  }

  /** Log of a part, for a failure's message. */
  log(name: 'control-plane' | 'etcd' | 'redis' | 'agent' | 'up'): Promise<string> {
    return readFile(join(this.dataDir, `${name}.log`), 'utf8').catch(() => '');
  }

  async down(): Promise<void> {
    await this.cli(['down', `--data-dir=${this.dataDir}`]);
    await rm(join(this.dataDir, '..'), { recursive: true, force: true });
  }
}
