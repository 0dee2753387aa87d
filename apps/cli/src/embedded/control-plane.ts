import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { env, execPath } from 'node:process';
import { CommandFailed } from '../output/errors.js';
import { appMain } from '../product/package-root.js';
import { type Descriptors, ServerKeys } from './server-keys.js';
import type { Program } from './supervised.js';
import { accepts, until } from './wait.js';

/** Answer of the control plane's `init`: where its material is. The token is there only when it was made just now. */
export interface Material {
  readonly configFile: string;
  readonly url: string;
  readonly caFile: string;
  /** Certificate of the CA that signs: when it changes, `init` is to be run again. */
  readonly authorityFile: string;
  readonly caFingerprint: string;
  readonly adminToken?: string;
  readonly etcd: TlsFiles;
  readonly redis: TlsFiles & { readonly usersFile: string };
}

export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface InitOptions {
  readonly dataDir: string;
  readonly listen: string;
  readonly names: readonly string[];
  readonly etcd: string;
  readonly redis: string;
  readonly redisEvents: string;
  readonly resetAdminToken?: boolean;
  readonly rotateChannelKeyKey?: boolean;
  readonly ca?: { readonly cert: string; readonly key: string };
  /** Absolute; holds the passphrase of the secret files. */
  readonly passphraseFile?: string;
  /** Absolute; folder of the packages that hosts may fetch. */
  readonly packagesDir?: string;
  readonly serverKeys: ServerKeys;
}

const TIMEOUT_MS = 60_000;

/**
 * What a mode of the control plane's program that ends by itself answers, with `input` on its standard input and files
 * from descriptor 3 on. Throws CommandFailed with its words.
 */
export function runControlPlane(
  args: readonly string[],
  {
    input = '',
    descriptors = [],
    timeoutMs = TIMEOUT_MS,
  }: { input?: string; descriptors?: Descriptors; timeoutMs?: number } = {},
): Promise<string> {
  const words = ['--disable-warning=ExperimentalWarning', appMain('control-plane'), ...args];
  const child = spawn(execPath, words, {
    env,
    timeout: timeoutMs,
    stdio: ['pipe', 'pipe', 'pipe', ...descriptors],
  });
  let [answer, said] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (answer += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
  // One that ends before it has read everything says why by itself.
  child.stdin?.on('error', () => undefined).end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) return resolve(answer);
      const [what, remedy] = said
        .trim()
        .replace(/^hostward control-plane: /, '')
        .split('\nremedy: ');
      reject(new CommandFailed(what || `it ended (${signal ?? `code ${code ?? '?'}`})`, remedy));
    });
  });
}

/** Makes keys, certificates, tokens and configuration where they are missing; safe to repeat. */
export async function initialise(options: InitOptions): Promise<Material> {
  const { etcd, redis } = ServerKeys.paths;
  const args = [
    'init',
    `--etcd-key=${etcd}`,
    `--redis-key=${redis}`,
    `--data-dir=${options.dataDir}`,
    `--listen=${options.listen}`,
    `--names=${options.names.join(',')}`,
    `--etcd=${options.etcd}`,
    `--redis=${options.redis}`,
    `--redis-events=${options.redisEvents}`,
    ...(options.packagesDir ? [`--packages=${options.packagesDir}`] : []),
    ...(options.passphraseFile ? [`--passphrase-file=${options.passphraseFile}`] : []),
    ...(options.ca ? [`--ca-cert=${options.ca.cert}`, `--ca-key=${options.ca.key}`] : []),
    ...(options.rotateChannelKeyKey ? ['--rotate-channel-key-key'] : []),
    ...(options.resetAdminToken ? ['--reset-admin-token'] : []),
  ];
  const descriptors = options.serverKeys.all;
  const answer = await runControlPlane(args, { descriptors }).catch((cause: CommandFailed) => {
    throw new CommandFailed(
      `the control plane could not be set up: ${cause.message}`,
      cause.remedy,
    );
  });
  return JSON.parse(answer) as Material;
}

/** The control plane as a supervised program. */
export function controlPlaneProgram(
  config: string,
  dataDir: string,
  served: { readonly host: string; readonly port: number },
  keys: ServerKeys,
): Program {
  return {
    name: 'control plane',
    command: execPath,
    cwd: dataDir,
    descriptors: keys.forRedis,
    args: [
      '--disable-warning=ExperimentalWarning',
      appMain('control-plane'),
      'serve',
      `--config=${config}`,
    ],
    logFile: join(dataDir, 'control-plane.log'),
    ready: (signal) => until(() => accepts(served.port, served.host), signal),
    readyWithinMs: 120_000,
    stopWithinMs: 20_000,
  };
}
