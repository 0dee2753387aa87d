import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deferAccept } from '#redis';
import { CommandFailed } from '../output/errors.js';
import type { Material } from './control-plane.js';
import { reachable } from './hosts.js';
import type { ServerKeys } from './server-keys.js';
import type { Program } from './supervised.js';
import { accepts, until } from './wait.js';

export interface RedisOptions {
  /** Policies and states go over one Redis, events over the other: a flood of events delays no policy. */
  readonly serves: 'control' | 'events';
  readonly command: string;
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  readonly files: Material['redis'];
  readonly keys: ServerKeys;
}

/** The embedded Redis: TLS 1.3 only, nobody but the control plane at first, no persistence: all it holds can be made again. */
export async function redisProgram(options: RedisOptions): Promise<Program> {
  const name = options.serves === 'control' ? 'redis' : 'redis-events';
  const file = join(options.dataDir, `${name}.conf`);
  await writeFile(file, configuration(options), { mode: 0o600 });
  return {
    name,
    command: options.command,
    cwd: options.dataDir,
    descriptors: options.keys.forRedis,
    args: [file],
    logFile: join(options.dataDir, `${name}.log`),
    ready: (signal) => until(() => accepts(options.port), signal),
    readyWithinMs: 60_000,
    adjust: deferAccept,
    stopWithinMs: 10_000,
  };
}

/** Limits by what it serves: a bundle has 16 MiB at most, a batch of events 1 MiB and its seal. */
const LIMITS = {
  control: ['maxmemory 1gb', 'proto-max-bulk-len 17mb', 'client-query-buffer-limit 20mb'],
  events: ['maxmemory 1gb', 'proto-max-bulk-len 2mb', 'client-query-buffer-limit 4mb'],
} as const;

function configuration({ serves, dataDir, host, port, files }: RedisOptions): string {
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
    // Hosts are connected for hours before all come back at once, or confirm a change over a connection of its own.
    'tls-session-cache-timeout 43200',
    `include "${files.usersFile}"`,
    `dir "${dataDir}"`,
    'save ""',
    'appendonly no',
    ...LIMITS[serves],
    'maxmemory-policy noeviction',
    // Twice the largest fleet and more; hosts that open many are cut off by the control plane.
    'maxclients 20000',
    // What a client asks for and does not read, and what all clients together hold.
    'client-output-buffer-limit normal 128mb 64mb 30',
    'client-output-buffer-limit pubsub 32mb 8mb 30',
    'maxmemory-clients 25%',
    // All that come back at once; of a queue that is half full the kernel cuts off who waits for 7 s.
    'tcp-backlog 4096',
    // Who neither speaks nor listens; an agent pings every 5 s.
    'timeout 60',
    'tcp-keepalive 60',
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
