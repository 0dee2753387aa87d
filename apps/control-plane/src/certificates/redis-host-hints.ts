import { redisKeys, type Check } from '#contracts';
import type { RedisConnection } from '#redis';
import { HostHints } from './host-hints.js';

/** Hints on the channel that every host hears. */
export class RedisHostHints extends HostHints {
  constructor(private readonly connection: RedisConnection) {
    super();
  }

  override async publish(data: Check): Promise<void> {
    const channel = redisKeys.check;
    // The form that Nest's transport takes for an event.
    const message = JSON.stringify({ pattern: channel, data });
    await this.connection.run(`publishing on ${channel}`, (client) =>
      client.publish(channel, message),
    );
  }
}
