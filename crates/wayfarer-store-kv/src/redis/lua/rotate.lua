-- KEYS: from, to, and the user's index if there is a user.
-- ARGV: value, when Redis forgets it, now, version, what stays under from, when Redis forgets that, and for the index: end, member.
local found = line(KEYS[1])
if not is_live(found, ARGV[3]) then return 'gone' end
if found.version ~= ARGV[4] then return 'conflict' end
if not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PXAT', ARGV[2]) then return 'taken' end
if ARGV[5] == '' then
  mark(KEYS[1], found)
else
  redis.call('SET', KEYS[1], ARGV[5], 'PXAT', ARGV[6])
end
if KEYS[3] then remember(KEYS[3], ARGV[8], ARGV[7], ARGV[3]) end
return 'stored'
