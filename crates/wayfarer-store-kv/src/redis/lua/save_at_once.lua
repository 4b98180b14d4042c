-- How a save begins. A live session of the version that is expected, with no index to tell, is stored before the functions of
-- common.lua are made: making them takes longer than storing.
local head = 'wf1 ' .. ARGV[4] .. ' '
local there = redis.call('GETRANGE', KEYS[1], 0, #head + 20)
if not KEYS[2] and ARGV[4] ~= '0' and string.sub(there, 1, #head) == head then
  local stop_at = tonumber(string.match(there, '^(%-?%d+) ', #head + 1))
  if stop_at and stop_at > tonumber(ARGV[3]) then
    redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
    return 'stored'
  end
end
