import type { Redis } from 'ioredis';
import { RedisUnavailable } from './errors.js';

/** The first bytes of each value, which others may have made of any size; undefined where there is none. */
export async function readUpTo(
  client: Redis,
  keys: readonly string[],
  bytes: number,
): Promise<(Buffer | undefined)[]> {
  const pipeline = client.pipeline();
  for (const key of keys) pipeline.getrangeBuffer(key, 0, bytes - 1);
  const answers = await pipeline.exec();
  if (!answers || answers.length !== keys.length)
    throw new RedisUnavailable('reading what hosts wrote');
  // Redis answers what is no string with an error of its own: it is no value, and no reason to try again.
  const failed = answers.find(([error]) => error && error.name !== 'ReplyError')?.[0];
  if (failed) throw failed;
  return answers.map(([, value]) =>
    Buffer.isBuffer(value) && value.length > 0 ? value : undefined,
  );
}
