import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { redisKeys } from '#contracts';
import { connectRedis, type RedisConnection, type RedisConnectionOptions } from '#redis';
import { portsOf } from '../../../apps/cli/src/embedded/ports.js';
import type { Measurement } from './measurement.js';
import { median } from '../../../apps/cli/src/sim/samples.js';

/** What a Redis has done: it depends on what was asked of it, not on how fast the machine is. */
export interface RedisWork {
  /** Those of scripts too; without those that everybody on it gives by the clock. */
  readonly commands: number;
  /** In and out, without TLS. */
  readonly bytes: number;
}

/** What a host has in Redis of itself, in bytes. */
export interface ReportBytes {
  readonly report: number;
  readonly signedStatus: number;
}

/** Counts what both Redis of a control plane that `up` started do. */
export class RedisCounter {
  private constructor(private readonly connections: readonly RedisConnection[]) {}

  static async connect(dataDir: string): Promise<RedisCounter> {
    const { redis, redisEvents } = await portsOf(dataDir);
    const login = await controlLogin(dataDir);
    return new RedisCounter([redis, redisEvents].map((port) => connectRedis({ ...login, port })));
  }

  /** Since each of them was started; also after one was started anew. */
  async read(): Promise<RedisWork> {
    const works = await Promise.all(this.connections.map(workOf));
    return {
      commands: sum(works.map(({ commands }) => commands)),
      bytes: sum(works.map(({ bytes }) => bytes)),
    };
  }

  /** Of the last report of a host and of its signed status, sealed. */
  async bytesOf(nodeId: string): Promise<ReportBytes> {
    const [assignments] = this.connections;
    const lengthOf = (key: string): Promise<number> | undefined =>
      assignments?.run(`measuring ${key}`, (client) => client.strlen(key));
    return {
      report: (await lengthOf(redisKeys.state(nodeId))) ?? Number.NaN,
      signedStatus: (await lengthOf(redisKeys.signedStatus(nodeId))) ?? Number.NaN,
    };
  }

  close(): void {
    for (const connection of this.connections) connection.close();
  }
}

/** Of the control plane's user on the embedded Redis, but for the port. */
export async function controlLogin(dataDir: string): Promise<Omit<RedisConnectionOptions, 'port'>> {
  const folder = join(dataDir, 'control-plane');
  const password = await readFile(join(folder, 'keys', 'redis-control.password'), 'utf8');
  const ca = await readFile(join(folder, 'pki', 'ca.pem'));
  return { username: 'control', password: password.trim(), tls: { ca } };
}

/** What was done from one reading to a later one, for each of so many hosts. */
export function workPerHost(from: RedisWork, to: RedisWork, hosts: number): RedisWork {
  return {
    commands: (to.commands - from.commands) / hosts,
    bytes: (to.bytes - from.bytes) / hosts,
  };
}

/** Of several changes. */
export function medianWork(works: readonly RedisWork[]): RedisWork {
  return {
    commands: median(works.map(({ commands }) => commands)),
    bytes: median(works.map(({ bytes }) => bytes)),
  };
}

/** Beside what a bare publish is to Redis. */
export function workMeasurements(
  works: readonly RedisWork[],
  publish: RedisWork,
): readonly Measurement[] {
  const { commands, bytes } = medianWork(works);
  return [
    {
      metric: 'redis_commands_per_host',
      value: commands,
      unit: 'commands',
      baseline: publish.commands,
    },
    { metric: 'redis_bytes_per_host', value: bytes, unit: 'bytes', baseline: publish.bytes },
  ];
}

/** Whether a connection lives, and how Redis is: the slower the machine, the more of them in a change. */
const BY_THE_CLOCK = ['hello', 'ping', 'info', 'memory|usage', 'strlen'];

async function workOf(connection: RedisConnection): Promise<RedisWork> {
  const info = await connection.run('counting its work', (client) =>
    client.info('stats', 'commandstats'),
  );
  const bytes = ['in', 'out'].map((way) =>
    Number(new RegExp(`^total_net_${way}put_bytes:(\\d+)`, 'm').exec(info)?.[1] ?? Number.NaN),
  );
  const calls = [...info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
    .filter(([, name]) => name !== undefined && !BY_THE_CLOCK.includes(name))
    .map(([, , count]) => Number(count));
  return { commands: sum(calls), bytes: sum(bytes) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, each) => total + each, 0);
}
