import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connectRedis, type RedisConnection } from '#redis';
import { Log } from '#observability';
import { RedisServer } from '#testing';
import { HealthDouble } from '../testing/fleet-double.js';
import { SystemClock } from './clock.js';
import { ControlPlaneClient } from './control-plane.client.js';
import { ControlPlaneReachability } from './reachability.js';
import { Context } from './context.js';

const LARGE_MS = 60_000;
const SMALL_MS = 10_000;

let redis: RedisServer;
let observer: RedisConnection;
let health: HealthDouble;
let around: Context;
let everyMs: number;
let reach: ControlPlaneReachability;

beforeEach(async () => {
  [redis, health] = await Promise.all([RedisServer.start({}), HealthDouble.start()]);
  observer = connectRedis({ port: redis.port });
  around = new Context(new SystemClock(), new Log({ write: () => undefined }));
  everyMs = LARGE_MS;
  const url = `https://127.0.0.1:${health.port}`;
  const client = new ControlPlaneClient({ url, ca: () => health.tls.ca, timeoutMs: 20_000 });
  const pace = {
    get everyMs(): number {
      return everyMs;
    },
  };
  reach = new ControlPlaneReachability(client, { port: redis.port }, pace, around);
});
afterEach(async () => {
  observer.close();
  await Promise.all([redis.stop(), health.stop()]);
});

async function pings(): Promise<number> {
  const info = await observer.run('counting', (client) => client.info('commandstats'));
  return Number(/cmdstat_ping:calls=(\d+)/.exec(info)?.[1] ?? 0);
}

describe('the ways to the control plane, after a swap', () => {
  it('are HTTPS and Redis in a small fleet', async () => {
    everyMs = SMALL_MS;
    await reach.proveWays();
    expect(health.answered).toBe(1);
    expect(await pings()).toBeGreaterThanOrEqual(1);
  });

  it('are a connection that is only made and Redis in a large one', async () => {
    await reach.proveWays();
    expect(health.answered).toBe(0);
    expect(await pings()).toBeGreaterThanOrEqual(1);
  });

  it('are not open where one of both leads nowhere', async () => {
    await redis.kill9();
    await expect(reach.proveWays()).rejects.toThrow();
    await redis.restart();
    await health.stop();
    await expect(reach.proveWays()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(around.conditions.list()).toEqual([
      expect.objectContaining({
        name: 'control-plane',
        message: expect.stringContaining('ECONNREFUSED'),
      }),
    ]);
  });

  it('are asked for an answer as long as something is wrong with it', async () => {
    around.conditions.raise('control-plane', 'its certificate is another one');
    await reach.proveWays();
    expect(health.answered).toBe(1);
    expect(around.conditions.has('control-plane')).toBe(false);
    await reach.proveWays();
    expect(health.answered).toBe(1);
  });
});
