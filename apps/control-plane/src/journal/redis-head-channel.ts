import type { SignedDocument } from '#bundle';
import { redisKeys, type Check } from '#contracts';
import type { RedisConnection } from '#redis';
import { HeadChannel } from './head-herald.js';

/** Heads on the channel that every host hears. */
export class RedisHeadChannel extends HeadChannel {
  constructor(private readonly connection: RedisConnection) {
    super();
  }

  override async publish(head: SignedDocument, pace?: SignedDocument): Promise<void> {
    const channel = redisKeys.check;
    // The form that Nest's transport takes for an event.
    const data: Check = { journal: head, ...(pace && { pace }) };
    const message = JSON.stringify({ pattern: channel, data });
    await this.connection.run(`publishing on ${channel}`, (client) =>
      client.publish(channel, message),
    );
  }
}
