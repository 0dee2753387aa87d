import { redisKeys } from '#contracts';
import type { Redis } from 'ioredis';
import { MalformedValue } from './errors.js';

/**
 * KEYS: state, signed status and stream of each host in turn; ARGV: bytes of state and signed status together, and of a stream,
 * from which on a host is told. Answers index of the host (from 0), bytes of both, bytes of the stream, in turn. In one
 * call: three commands a host would cost the asker a hundred times what they cost Redis.
 */
const MEASURE = `
local found = {}
local function size(...)
  local answer = redis.pcall(...)
  return type(answer) == 'number' and answer or 0
end
for i = 1, #KEYS, 3 do
  local state = size('STRLEN', KEYS[i]) + size('STRLEN', KEYS[i + 1])
  local stream = size('MEMORY', 'USAGE', KEYS[i + 2])
  if state > tonumber(ARGV[1]) or stream > tonumber(ARGV[2]) then
    found[#found + 1] = (i - 1) / 3
    found[#found + 1] = state
    found[#found + 1] = stream
  end
end
return found
`;

/** Bytes that a host has written and nobody has removed. */
export interface HostSizes {
  /** Of its state and its signed status. */
  readonly state: number;
  readonly stream: number;
}

/** Of these hosts, by node id, those that have more than so much of either. */
export async function measureHosts(
  client: Redis,
  nodeIds: readonly string[],
  over: HostSizes,
): Promise<ReadonlyMap<string, HostSizes>> {
  const keys = nodeIds.flatMap((nodeId) => [
    redisKeys.state(nodeId),
    redisKeys.signedStatus(nodeId),
    redisKeys.events(nodeId),
  ]);
  const answer = await client.eval(MEASURE, keys.length, ...keys, over.state, over.stream);
  if (!Array.isArray(answer)) throw new MalformedValue('sizes of hosts', 'the answer is no list');
  const found = new Map<string, HostSizes>();
  for (let at = 0; at + 2 < answer.length; at += 3) {
    const [index = 0, state = 0, stream = 0] = answer.slice(at, at + 3).map(Number);
    const nodeId = nodeIds[index];
    if (nodeId !== undefined) found.set(nodeId, { state, stream });
  }
  return found;
}
