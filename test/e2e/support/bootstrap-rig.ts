import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JoinTokenView, NodeView } from '#contracts';
import {
  type SimulatedHost,
  SimulatedHosts,
  slimRelease,
  stageHost,
  type SlimRelease,
} from '#testing';
import type { HostReport } from '../../../apps/cli/src/bootstrap/bootstrap-run.js';
import { Product, projectRoot, type CliResult } from './product.js';

const MINUTE = 60_000;
/** What a join token looks like, for grep. */
export const TOKEN_FORM = 'hwj_[0-9a-f]{16}_';

interface Login {
  readonly user?: string;
  readonly key?: readonly string[];
  /** Socket of an ssh-agent; none unless given. */
  readonly agent?: string;
}

interface Run {
  readonly code: number;
  readonly stderr: string;
  readonly hosts: readonly HostReport[];
}

/** The product with signed packages, and stand-ins of hosts that are reached by ssh. */
export class BootstrapRig {
  private constructor(
    readonly folder: string,
    readonly product: Product,
    readonly release: SlimRelease,
    readonly lab: SimulatedHosts,
  ) {}

  static async start(): Promise<BootstrapRig> {
    const folder = await mkdtemp(join(tmpdir(), 'hostward-bootstrap-'));
    const staged = await stageHost(projectRoot);
    const release = await slimRelease(staged.dir, join(folder, 'packages'));
    const lab = await SimulatedHosts.prepare();
    const rig = new BootstrapRig(folder, await Product.prepare(), release, lab);
    const { dataDir, port } = rig.product;
    const args = [`--data-dir=${dataDir}`, `--listen=127.0.0.1:${port}`, '--no-local-agent'];
    try {
      await rig.product.must(['up', '--detach', ...args, '--packages', release.dir], 3 * MINUTE);
    } catch (error) {
      await rig.close();
      throw error;
    }
    return rig;
  }

  async close(): Promise<void> {
    await this.lab.stop();
    await this.product.down();
    await rm(this.folder, { recursive: true, force: true });
  }

  get packageFile(): string {
    return join(this.release.dir, this.release.file);
  }

  /** `bootstrap --json` of hosts, as a user of them or root, with what a test adds. */
  async bootstrap(
    hosts: readonly SimulatedHost[],
    args: readonly string[] = [],
    { user = 'root', key = ['--identity', this.lab.keyFile], agent = '' }: Login = {},
  ): Promise<Run> {
    const reach = ['--known-hosts', this.lab.knownHosts, '--package', this.packageFile, ...key];
    const targets = hosts.map(({ port }) => `${user}@127.0.0.1:${port}`);
    const result = await this.product.cli(['bootstrap', ...targets, '--json', ...reach, ...args], {
      timeoutMs: 4 * MINUTE,
      // A home without a key: what logs in is what the test gave.
      env: { SSH_AUTH_SOCK: agent, HOME: this.folder },
    });
    return { code: result.code, stderr: result.stderr, hosts: reportsOf(result) };
  }

  /** What became of the only host of a run. */
  async one(host: SimulatedHost, args: readonly string[] = [], as: Login = {}) {
    const run = await this.bootstrap([host], args, as);
    return { ...run, host: run.hosts[0] };
  }

  /** A file that none but its owner may read. */
  async secret(name: string, text: string): Promise<string> {
    const file = join(this.folder, name);
    await writeFile(file, `${text}\n`, { mode: 0o600 });
    return file;
  }

  async nodes(): Promise<readonly NodeView[]> {
    const { stdout } = await this.product.must(['get', 'nodes', '-o', 'json']);
    return JSON.parse(stdout) as NodeView[];
  }

  async tokens(): Promise<readonly JoinTokenView[]> {
    const { stdout } = await this.product.must(['get', 'join-tokens', '-o', 'json']);
    return JSON.parse(stdout) as JoinTokenView[];
  }
}

/** What `bootstrap --json` says of each host; throws what it said instead. */
export function reportsOf({ stdout, stderr }: CliResult): readonly HostReport[] {
  if (stdout === '') throw new Error(`no report: ${stderr}`);
  return (JSON.parse(stdout) as { hosts: readonly HostReport[] }).hosts;
}
