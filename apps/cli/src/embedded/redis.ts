import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandFailed } from '../errors.js';
import type { Material } from './control-plane.js';
import { reachable } from './hosts.js';
import type { Program } from './supervised.js';
import { accepts, until } from './wait.js';

export interface RedisOptions {
  readonly command: string;
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly files: Material['redis'];
}

/** The embedded Redis: TLS 1.3 only, users from the control plane's file, no persistence: all it holds can be made again. */
export async function redisProgram(options: RedisOptions): Promise<Program> {
  const file = join(options.dataDir, 'redis.conf');
  await writeFile(file, configuration(options), { mode: 0o600 });
  return {
    name: 'redis',
    command: options.command,
    cwd: options.dataDir,
    args: [file],
    logFile: join(options.dataDir, 'redis.log'),
    ready: (signal) => until(() => accepts(options.port), signal),
    readyWithinMs: 20_000,
    stopWithinMs: 10_000,
  };
}

function configuration({ dataDir, host, port, files }: RedisOptions): string {
  return [
    'port 0',
    `tls-port ${port}`,
    // Ours reach it on loopback, hosts where the control plane listens.
    `bind ${[...new Set([reachable(host) === '127.0.0.1' ? host : '127.0.0.1', host])].join(' ')}`,
    `tls-ca-cert-file "${files.ca}"`,
    `tls-cert-file "${files.cert}"`,
    `tls-key-file "${files.key}"`,
    'tls-auth-clients optional',
    'tls-protocols "TLSv1.3"',
    `aclfile "${files.aclFile}"`,
    `dir "${dataDir}"`,
    'save ""',
    'appendonly no',
    'maxmemory 1gb',
    'maxmemory-policy noeviction',
    'maxclients 20000',
    'proto-max-bulk-len 32mb',
    '',
  ].join('\n');
}

/** Where Redis, or Valkey, which speaks the same, is installed. */
export async function redisCommand(): Promise<string> {
  for (const name of ['redis-server', 'valkey-server']) {
    for (const folder of ['/usr/bin', '/usr/local/bin']) {
      const path = join(folder, name);
      if (await isThere(path)) return path;
    }
  }
  throw new CommandFailed(
    'neither redis-server nor valkey-server is installed',
    'run it through ./hostward, which installs it',
  );
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
