import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { promisify } from 'node:util';
import { CommandFailed } from '../errors.js';
import type { Program } from './supervised.js';
import { accepts, until } from './wait.js';

/** Answer of the control plane's `init`: where its material is. The token is there only when it was made just now. */
export interface Material {
  readonly configFile: string;
  readonly url: string;
  readonly caFile: string;
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
  readonly program: string;
  readonly dataDir: string;
  readonly listen: string;
  readonly names: readonly string[];
  readonly etcd: string;
  readonly redis: string;
  readonly redisEvents: string;
  readonly resetAdminToken?: boolean;
  readonly rotateHostKeyKey?: boolean;
  /** Absolute; holds the passphrase of the secret files. */
  readonly passphraseFile?: string;
}

const INIT_TIMEOUT_MS = 60_000;

/** Makes keys, certificates, tokens and configuration where they are missing; safe to repeat. */
export async function initialise(options: InitOptions): Promise<Material> {
  const { stdout } = await promisify(execFile)(
    execPath,
    [
      '--disable-warning=ExperimentalWarning',
      options.program,
      'init',
      `--data-dir=${options.dataDir}`,
      `--listen=${options.listen}`,
      `--names=${options.names.join(',')}`,
      `--etcd=${options.etcd}`,
      `--redis=${options.redis}`,
      `--redis-events=${options.redisEvents}`,
      ...(options.passphraseFile ? [`--passphrase-file=${options.passphraseFile}`] : []),
      ...(options.rotateHostKeyKey ? ['--rotate-host-key-key'] : []),
      ...(options.resetAdminToken ? ['--reset-admin-token'] : []),
    ],
    { timeout: INIT_TIMEOUT_MS },
  ).catch((error: Error & { stderr?: string }) => {
    const said = error.stderr?.trim() || error.message;
    throw new CommandFailed(`the control plane could not be set up: ${said}`);
  });
  return JSON.parse(stdout) as Material;
}

/** The control plane as a supervised program. */
export function controlPlaneProgram(
  program: string,
  config: string,
  dataDir: string,
  served: { readonly host: string; readonly port: number },
): Program {
  return {
    name: 'control plane',
    command: execPath,
    cwd: dataDir,
    args: ['--disable-warning=ExperimentalWarning', program, 'serve', `--config=${config}`],
    logFile: join(dataDir, 'control-plane.log'),
    ready: (signal) => until(() => accepts(served.port, served.host), signal),
    readyWithinMs: 60_000,
    stopWithinMs: 20_000,
  };
}
