import { redisKeys, type Check } from '#contracts';
import type { RedisConnection } from '#redis';
import { CaHints } from './ca-hints.js';

/** Hints on the channel that every host hears. */
export class RedisCaHints extends CaHints {
  constructor(private readonly connection: RedisConnection) {
    super();
  }

  override async publish(authorities: readonly string[]): Promise<void> {
    const channel = redisKeys.check;
    const data: Check = { authorities };
    // The form that Nest's transport takes for an event.
    const message = JSON.stringify({ pattern: channel, data });
    await this.connection.run(`publishing on ${channel}`, (client) =>
      client.publish(channel, message),
    );
  }
}
