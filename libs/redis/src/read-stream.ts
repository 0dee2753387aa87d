/**
 * KEYS[1] stream; ARGV: how many entries, how many bytes in all, how many bytes one entry may have, name of the field, id of
 * the entry behind which it begins, or nothing. Answers id and value in turn, oldest first, at least one entry where there is one. An entry that is too large, or
 * without the field, comes with an empty value: what a host wrote must not become ours to hold. One entry at a time,
 * since even the script must not hold fifty of any size; all fields count for the bytes in all.
 */
export const READ_STREAM = `
local found, bytes, from = {}, 0, '-'
if ARGV[5] ~= '' then from = '(' .. ARGV[5] end
for _ = 1, tonumber(ARGV[1]) do
  -- Nothing can follow the greatest id there is: asking for it is an error.
  local ok, entries = pcall(redis.call, 'XRANGE', KEYS[1], from, '+', 'COUNT', 1)
  if not ok and from ~= '-' then break end
  if not ok then return redis.error_reply(entries.err or tostring(entries)) end
  if #entries == 0 then break end
  local id, fields = entries[1][1], entries[1][2]
  local value
  for i = 1, #fields, 2 do
    bytes = bytes + #fields[i] + #fields[i + 1]
    if not value and fields[i] == ARGV[4] then value = fields[i + 1] end
  end
  if not value or #value > tonumber(ARGV[3]) then value = '' end
  if bytes > tonumber(ARGV[2]) and #found > 0 then break end
  found[#found + 1] = id
  found[#found + 1] = value
  from = '(' .. id
end
return found
`;

/**
 * KEYS[1] stream; ARGV: ids. Removes them, and the stream with its last one: an empty stream remembers the greatest id
 * that was ever added, and one that a host has driven to the end of all ids would take nothing for ever.
 */
export const TRIM_STREAM = `
for i = 1, #ARGV do redis.call('XDEL', KEYS[1], ARGV[i]) end
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[1]) end
return 1
`;
