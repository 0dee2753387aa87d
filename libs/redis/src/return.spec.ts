import { afterEach, expect, it } from '@jest/globals';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from './connection-options.js';
import { connectRedis, type RedisConnection } from './redis.connection.js';

let connection: RedisConnection | undefined;
afterEach(() => connection?.close());

/** A port of loopback where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
  );
  await new Promise((resolve) => server.close(resolve));
  return port;
}

it('tries again at once after a connection was lost, and where that fails at any moment within the time of the fleet', () => {
  const waits = (failures: number, spreadMs?: number): number =>
    backoffMs(failures, { maxBackoffMs: 20_000, random: () => 0.5, spreadMs });
  expect([1, 2, 3, 9].map((failures) => waits(failures, 20_000))).toEqual([
    100, 10_000, 10_000, 10_000,
  ]);
  expect([1, 2, 3, 9].map((failures) => waits(failures))).toEqual([100, 200, 400, 10_000]);
});

it('waits between attempts as long as it was told, and never less than it was made with', async () => {
  connection = connectRedis({ port: await closedPort(), maxBackoffMs: 10, random: () => 0.9 });
  const failuresIn = async (ms: number): Promise<number> => {
    const before = connection?.counters.failures ?? 0;
    await sleep(ms);
    return (connection?.counters.failures ?? 0) - before;
  };
  expect(await failuresIn(1_000)).toBeGreaterThan(20);
  connection.slowTo(60_000);
  await sleep(50); // the wait that had begun
  expect(await failuresIn(1_000)).toBeLessThan(5);
});
