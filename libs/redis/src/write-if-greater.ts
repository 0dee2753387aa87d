import { createHash } from 'node:crypto';

/**
 * KEYS[1] record; ARGV: epoch, generation, issuedAt (decimal, no leading zeros), digest, record, channel, nudge.
 * Answers 1 written, 0 not greater, 2 same ordering with another digest. One call: nothing can come between the
 * comparison, the write and the nudge. Numbers are compared as text, by length and then by character: a Lua number
 * has 53 bits. A value that does not parse counts as none. An empty channel sends no nudge.
 */
const LUA = `
local function compare(a, b)
  if #a ~= #b then return #a < #b and -1 or 1 end
  if a == b then return 0 end
  return a < b and -1 or 1
end
local function decimal(v)
  if type(v) == 'number' then return string.format('%.0f', v) end
  return type(v) == 'string' and v or '0'
end
local stored = redis.call('GET', KEYS[1])
if stored then
  local parsed, record = pcall(cjson.decode, stored)
  local o = parsed and type(record) == 'table' and record.ordering
  if type(o) == 'table' then
    local c = compare(ARGV[1], decimal(o.epoch))
    if c == 0 then c = compare(ARGV[2], decimal(o.generation)) end
    if c == 0 then c = compare(ARGV[3], decimal(o.issuedAt)) end
    if c == 0 and record.bundleDigest ~= ARGV[4] then return 2 end
    if c <= 0 then return 0 end
  end
end
redis.call('SET', KEYS[1], ARGV[5])
if ARGV[6] ~= '' then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
return 1
`;

/** The script and the name under which Redis caches it. */
export const writeIfGreater = {
  lua: LUA,
  sha: createHash('sha1').update(LUA).digest('hex'),
} as const;
