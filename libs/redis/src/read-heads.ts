import type { Redis } from 'ioredis';
import { MalformedValue } from './errors.js';

/**
 * KEYS: values; ARGV: bytes of each. Answers so many bytes of each in one piece, zeros where there are none. In one call
 * with one answer: a command for each would cost the asker far more than it costs Redis.
 */
const READ_HEADS = `
local bytes, heads = tonumber(ARGV[1]), {}
for i = 1, #KEYS do
  local head = redis.pcall('GETRANGE', KEYS[i], 0, bytes - 1)
  if type(head) ~= 'string' then head = '' end
  heads[i] = head .. string.rep('\\0', bytes - #head)
end
return table.concat(heads)
`;

/** The first bytes of each value, zeros behind a shorter one; undefined where there is no string, or one of zeros. */
export async function readHeads(
  client: Redis,
  keys: readonly string[],
  bytes: number,
): Promise<(Buffer | undefined)[]> {
  const count = String(keys.length);
  const all = await client.callBuffer('EVAL', READ_HEADS, count, ...keys, String(bytes));
  if (!Buffer.isBuffer(all) || all.length !== keys.length * bytes)
    throw new MalformedValue('first bytes of values', 'the answer has another length');
  const none = Buffer.alloc(bytes);
  return keys.map((_, index) => {
    const head = all.subarray(index * bytes, (index + 1) * bytes);
    return head.equals(none) ? undefined : head;
  });
}
