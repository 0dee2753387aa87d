import { setTimeout as delay } from 'node:timers/promises';
import { connectRedis } from '#redis';
import { ConfigError } from '../config/config-error.js';
import { loadMaterial } from '../config/material.js';
import { readConfig } from '../config/read-config.js';

const WAIT_MS = 60_000;
/** It may have been started just now. */
const COMMAND_MS = 30_000;
const LOOK_MS = 200;

/** What `follow-redis` answers on standard output, as one JSON object: who follows whom, as HOST:PORT. */
export type FollowAnswer = Readonly<Record<string, string>>;

/**
 * Has every Redis of the machine `at` follow the one of the configuration's `redis.host` on the same port, and waits
 * until it does. Once, before the first Sentinel: from then on that says who follows whom. Throws ConfigError.
 */
export async function followRedis(file: string, at: string): Promise<FollowAnswer> {
  const config = readConfig(file);
  const { redis } = config;
  const { tls, password } = loadMaterial(config).redis;
  const login = { username: redis.username, password, tls, commandTimeoutMs: COMMAND_MS };
  const followed: Record<string, string> = {};
  for (const { host, port } of [redis, ...(redis.events ? [redis.events] : [])]) {
    if (at === host) throw new ConfigError('--at', host, 'is redis.host, which cannot follow');
    await follow({ ...login, host: at, port }, { host, port });
    followed[`${at}:${port}`] = `${host}:${port}`;
  }
  return followed;
}

async function follow(
  to: Parameters<typeof connectRedis>[0],
  master: { readonly host: string; readonly port: number },
): Promise<void> {
  const connection = connectRedis(to);
  const end = Date.now() + WAIT_MS;
  try {
    await connection.run('following', (client) => client.replicaof(master.host, master.port));
    const isUp = async () =>
      /^master_link_status:up\r$/m.test(
        await connection.run('a look at Redis', (client) => client.info('replication')),
      );
    while (!(await isUp())) {
      if (Date.now() > end)
        throw new ConfigError(
          'redis.host',
          master.host,
          `is not followed within ${WAIT_MS / 1000} s on ${master.port}: look at the audit logs of both Redis`,
        );
      await delay(LOOK_MS);
    }
  } finally {
    connection.close();
  }
}
