import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, kill } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import type { NodeStatus } from '#contracts';
import { freePort } from '#testing';
import { Rest } from '../../../apps/control-plane/src/testing/rest.js';

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

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

export interface RunRecord {
  readonly pid: number;
  readonly url: string;
  readonly caFingerprint: string;
  readonly ready: boolean;
  readonly children: Readonly<Record<string, number>>;
}

export interface StoredContext {
  readonly url: string;
  readonly token: string;
  readonly ca: string;
  readonly session?: { readonly token: string };
}

const UP_TIMEOUT_MS = 400_000;
const CLI_TIMEOUT_MS = 400_000;

/** The product as a user has it: `./hostward up` in a folder of its own, and its CLI with a context of its own. */
export class Product {
  private constructor(
    readonly dataDir: string,
    readonly configHome: string,
    readonly port: number,
  ) {}

  /** Its folders and port, not started yet; with the contexts, or at the port, of another one where those are named. */
  static async prepare(options: { configHome?: string; port?: number } = {}): Promise<Product> {
    const folder = await mkdtemp(join(tmpdir(), 'hostward-e2e-'));
    const configHome = options.configHome ?? join(folder, 'config');
    return new Product(join(folder, 'data'), configHome, options.port ?? (await freePort()));
  }

  /** Starts everything with or without an agent for this machine. Stop it when done. */
  static async up(options: { localAgent?: boolean } = {}): Promise<Product> {
    const product = await Product.prepare();
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
          join(projectRoot, 'dist/apps/cli/src/bundle.js'),
          ...args,
        ],
        {
          env: { ...cleanEnvironment(), XDG_CONFIG_HOME: this.configHome, ...options.env },
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

  /** Applies a document given as text; an emulated host may take longer to enforce it than `--wait` waits by itself. */
  apply(yaml: string, ...args: string[]): Promise<CliResult> {
    const waits = args.includes('--wait') && !args.includes('--timeout');
    const patience = waits ? ['--timeout', '330s'] : [];
    return this.must(['apply', '-f', '-', ...args, ...patience], undefined, yaml);
  }

  async record(): Promise<RunRecord> {
    return JSON.parse(await readFile(join(this.dataDir, 'up.json'), 'utf8')) as RunRecord;
  }

  /** The current context that `up` has written for the CLI. */
  async context(): Promise<StoredContext> {
    const file = join(this.configHome, 'hostward', 'config.yaml');
    const { current, contexts } = parse(await readFile(file, 'utf8')) as {
      current: string;
      contexts: Record<string, StoredContext>;
    };
    const found = contexts[current];
    if (found === undefined) throw new Error(`${file} has no context ${current}`);
    return found;
  }

  /** Sends a signal to a program that `up` runs: `etcd`, `redis`, `control plane`, `agent`; gives its pid. */
  async signal(name: string, signal: NodeJS.Signals): Promise<number> {
    const pid = (await this.record()).children[name];
    if (pid === undefined || pid < 2) throw new Error(`${name} does not run`);
    kill(pid, signal);
    return pid;
  }

  /** What `/readyz` answers: its status, and its checks by name. */
  async readiness(): Promise<{ status: number; checks: Record<string, Check> }> {
    const { url, ca, token } = await this.context();
    const answer = await new Rest(url, ca, token).get('/readyz', { token: null });
    const checks = (JSON.parse(answer.text) as { checks: Check[] }).checks;
    return {
      status: answer.status,
      checks: Object.fromEntries(checks.map((check) => [check.name, check])),
    };
  }

  /** A REST client that says everything as it is told, with the admin token. */
  async rest(): Promise<Rest> {
    const { url, ca, token } = await this.context();
    return new Rest(url, ca, token);
  }

  /** What a host really does, asked without a command: for those who ask again and again. */
  async nodeStatus(name: string): Promise<NodeStatus> {
    const { status, text } = await (await this.rest()).get(`/v1/nodes/${name}/status`);
    if (status !== 200) throw new Error(`the status of ${name} is answered by ${status}: ${text}`);
    return JSON.parse(text) as NodeStatus;
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

  /** Stops it and removes its folders. */
  async down(): Promise<void> {
    await this.stop();
    await this.remove();
  }

  async stop(): Promise<void> {
    await this.cli(['down', `--data-dir=${this.dataDir}`]);
  }

  async remove(): Promise<void> {
    await rm(join(this.dataDir, '..'), { recursive: true, force: true });
  }
}

/** The environment without what would lead a command to another control plane, or colour it. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('HOSTWARD_') && name !== 'NO_COLOR' && name !== 'FORCE_COLOR',
  );
  return Object.fromEntries(kept);
}
