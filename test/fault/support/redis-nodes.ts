import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { redisProgram, type RedisOptions } from '../../../apps/cli/src/embedded/redis.js';
import type { Program } from '../../../apps/cli/src/embedded/supervised.js';
import { accepts, until } from '../../../apps/cli/src/embedded/wait.js';

/** For policies and states: two nodes, either of which may be the master, or two Redis that hosts are split over. */
export const REDIS_NODES = ['redis', 'redis-b'] as const;
export type RedisNodeName = (typeof REDIS_NODES)[number];
export const REDIS_SERVERS = [...REDIS_NODES, 'redis-events'] as const;
export type RedisServerName = (typeof REDIS_SERVERS)[number];
/** Who decides which node is the master. */
export const SENTINELS = ['sentinel-1', 'sentinel-2', 'sentinel-3'] as const;
/** How Sentinels call it. */
export const MASTER_NAME = 'hostward';

const DOWN_AFTER_MS = 1_500;

interface Login {
  readonly username: string;
  readonly password: string;
}

/**
 * A node as `up` runs its only one, but that it can follow another. All see it at its link, the other node and Sentinels
 * too. It cannot write its configuration, so that it always comes back as an empty master.
 */
export async function nodeProgram(
  name: RedisNodeName,
  linkPort: number,
  { username, password }: Login,
  options: Omit<RedisOptions, 'serves'>,
): Promise<Program> {
  const dataDir = join(options.dataDir, name);
  await mkdir(dataDir);
  const program = await redisProgram({ ...options, dataDir, serves: 'control' });
  const file = join(dataDir, 'redis.conf');
  const lines = [
    'tls-replication yes',
    `masteruser ${username}`,
    `masterauth ${password}`,
    'repl-diskless-sync-delay 0',
    'replica-announce-ip 127.0.0.1',
    `replica-announce-port ${linkPort}`,
    '',
  ];
  await appendFile(file, lines.join('\n'));
  const args = ['-c', 'exec "$0" - <"$1"', program.command, file];
  return { ...program, name, command: '/bin/sh', args };
}

/** A Sentinel; it keeps what it has learned in its configuration, on the disk that is seen here as `disk`. */
export async function sentinelProgram(
  name: string,
  port: number,
  masterPort: number,
  { username, password }: Login,
  { command, dataDir, files, keys }: Omit<RedisOptions, 'port' | 'serves'>,
  disk: string,
): Promise<Program> {
  const folder = join(dataDir, name);
  await mkdir(disk, { recursive: true });
  const lines = [
    'port 0',
    `tls-port ${port}`,
    'bind 127.0.0.1',
    `dir "${folder}"`,
    `tls-ca-cert-file "${files.ca}"`,
    `tls-cert-file "${files.cert}"`,
    `tls-key-file "${files.key}"`,
    'tls-auth-clients optional',
    'tls-replication yes',
    `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${masterPort} 2`,
    `sentinel auth-user ${MASTER_NAME} ${username}`,
    `sentinel auth-pass ${MASTER_NAME} ${password}`,
    `sentinel down-after-milliseconds ${MASTER_NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${MASTER_NAME} 5000`,
    '',
  ];
  await writeFile(join(disk, 'sentinel.conf'), lines.join('\n'), { mode: 0o600 });
  return {
    name,
    command,
    cwd: folder,
    descriptors: keys.forRedis,
    args: [join(folder, 'sentinel.conf'), '--sentinel'],
    logFile: join(folder, 'sentinel.log'),
    ready: (signal) => until(() => accepts(port), signal),
    readyWithinMs: 20_000,
    stopWithinMs: 10_000,
  };
}
