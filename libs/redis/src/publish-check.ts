import { redisKeys, type Check } from '#contracts';
import type { RedisConnection } from './redis.connection.js';

/**
 * Tells all hosts at once, on every Redis of theirs. One that is away holds up nobody: its hosts hear it when it is told
 * again. Rejects where none took it.
 */
export async function publishCheck(
  connections: readonly RedisConnection[],
  data: Check,
): Promise<void> {
  const channel = redisKeys.check;
  // The form that Nest's transport takes for an event.
  const message = JSON.stringify({ pattern: channel, data });
  const told = connections.map((connection) =>
    connection.run(`publishing on ${channel}`, (client) => client.publish(channel, message)),
  );
  const results = await Promise.allSettled(told);
  const failed = results.filter((result) => result.status === 'rejected');
  if (failed.length === results.length) throw failed[0]?.reason;
}
