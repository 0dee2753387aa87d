import { redisKeys } from '#contracts';
import { readUpTo } from './read-up-to.js';
import type { RedisConnection } from './redis.connection.js';

/** An envelope of 1.5 MiB, and its seal. */
const MAX_SIGNED_STATUS_BYTES = 1536 * 1024 + 1024;
/** Of hosts that write as much as they may, what is held at once. */
const AT_ONCE = 16;

/** Control-plane side: what hosts have signed of themselves, sealed, as it lies beside their states. */
export class SignedStatusReader {
  constructor(private readonly connection: RedisConnection) {}

  /** By node id; of a host without one, or with one that is too large, none. */
  async read(nodeIds: readonly string[]): Promise<ReadonlyMap<string, Buffer>> {
    const found = new Map<string, Buffer>();
    for (let start = 0; start < nodeIds.length; start += AT_ONCE) {
      const some = nodeIds.slice(start, start + AT_ONCE);
      const values = await this.connection.run('reading signed statuses', (client) =>
        readUpTo(client, some.map(redisKeys.signedStatus), MAX_SIGNED_STATUS_BYTES + 1),
      );
      some.forEach((nodeId, index) => {
        const value = values[index];
        if (value && value.length <= MAX_SIGNED_STATUS_BYTES) found.set(nodeId, value);
      });
    }
    return found;
  }
}
