import { createHash } from 'node:crypto';

/**
 * KEYS[1] record; ARGV: epoch, generation, issuedAt (decimal, no leading zeros), digest, the generation from which on
 * another digest is not written over, record, channel, nudge, end of the nudge (with the bundle, where it is small): where
 * there is one, the record rides between the two.
 * Answers 1 written, 0 not greater, 2 another digest, at the same assignment version or from that generation on. One call: nothing
 * can come between the comparison, the write and the nudge. Numbers are compared as text, by length and then by character: a Lua number
 * has 53 bits. A value that does not parse counts as none. Of one that begins as we write them only the beginning is
 * read: the whole is mostly what does not matter here.
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
local ours = '^{"v":1,"assignmentVersion":{"epoch":"(%d+)","generation":"(%d+)","issuedAt":(%d+)},"bundleDigest":"(%x+)",'
local function read(stored)
  local epoch, generation, issuedAt, digest = string.match(stored, ours)
  if epoch then return epoch, generation, issuedAt, digest end
  local parsed, record = pcall(cjson.decode, stored)
  local o = parsed and type(record) == 'table' and record.assignmentVersion
  if type(o) ~= 'table' then return nil end
  return decimal(o.epoch), decimal(o.generation), decimal(o.issuedAt), record.bundleDigest
end
local stored = redis.call('GET', KEYS[1])
if stored then
  local epoch, generation, issuedAt, digest = read(stored)
  if epoch then
    local c = compare(ARGV[1], epoch)
    if c == 0 then c = compare(ARGV[2], generation) end
    if c == 0 then c = compare(ARGV[3], issuedAt) end
    if c == 0 and digest ~= ARGV[4] then return 2 end
    local isOfEpoch = c > 0 and epoch == ARGV[1]
    if isOfEpoch and digest ~= ARGV[4] and compare(generation, ARGV[5]) >= 0 then return 2 end
    if c <= 0 then return 0 end
  end
end
redis.call('SET', KEYS[1], ARGV[6])
redis.call('PUBLISH', ARGV[7], ARGV[9] and ARGV[8] .. ARGV[6] .. ARGV[9] or ARGV[8])
return 1
`;

/** The script and the name under which Redis caches it. */
export const writeIfGreater = {
  lua: LUA,
  sha: createHash('sha1').update(LUA).digest('hex'),
} as const;
