import { afterAll, beforeAll, jest } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import type { NodeView } from '#contracts';
import type { TestHost } from '../../../apps/control-plane/src/testing/test-host.js';
import { eventually } from '../support/eventually.js';
import { Product, cleanEnvironment, type CliResult } from '../support/product.js';
import { CLI } from '../support/running-command.js';
import { StandIns } from '../support/stand-in-host.js';

export const MINUTE = 60_000;
export const PROD = { env: 'prod' };
export const LONG =
  'a-very-long-name-that-somebody-has-chosen-with-care.for-a-host-in-a-rack.eu-west';

jest.setTimeout(2 * MINUTE);

export let product: Product;
let standIns: StandIns;
export let web1: TestHost;
export let folder: string;

/** One product for all: this machine with its observing agent, and a host that says what a test tells it to. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hostward-cli-'));
  product = await Product.up({ localAgent: true });
  standIns = await StandIns.of(product);
  web1 = await standIns.host('web1', 'env=prod,tier=web');
  await product.must(['label', 'node', await localNode(), 'role=local']);
}, 3 * MINUTE);
afterAll(async () => {
  standIns?.close();
  await product?.down();
  await rm(folder, { recursive: true, force: true });
}, MINUTE);

export const run = (...args: string[]): Promise<CliResult> => product.cli(args);
export const out = async (...args: string[]): Promise<string> => (await product.must(args)).stdout;
export const json = async <T>(...args: string[]): Promise<T> =>
  JSON.parse(await out(...args, '-o', 'json')) as T;
export const input = (text: string, ...args: string[]): Promise<CliResult> =>
  product.cli([...args, '-f', '-'], { input: text });

async function localNode(): Promise<string> {
  const nodes = await json<NodeView[]>('get', 'nodes');
  return nodes.find(({ name }) => name !== 'web1')?.name ?? '';
}

export async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

/** web1 takes what is meant for it and reports it as in this state. */
export async function reports(policy: string, state: 'enforced' | 'failed'): Promise<void> {
  await eventually(`web1 has ${policy}`, MINUTE, async () => {
    const delivery = await web1.fetch();
    return delivery?.policies.some(({ name }) => name === policy);
  });
  await web1.report(state);
}

/** What a command shows on a terminal, however it ends; `script` of util-linux gives it one. */
export async function inTerminal(args: string, env: Record<string, string> = {}): Promise<string> {
  const command = `"${execPath}" ${CLI.join(' ')} ${args}`;
  const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null'], {
    env: { ...cleanEnvironment(), TERM: 'xterm', XDG_CONFIG_HOME: product.configHome, ...env },
  }).catch((error: { stdout: string }) => ({ stdout: error.stdout }));
  return stdout;
}
