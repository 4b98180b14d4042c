-- KEYS: session, and its user's index if it has a user. ARGV: value, when Redis forgets it, now, version, and for the index:
-- end, member. What save_at_once.lua has stored does not come here.
local found = line(KEYS[1])
if not is_live(found, ARGV[3]) then return 'gone' end
if found.version ~= ARGV[4] then return 'conflict' end
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
if KEYS[2] then remember(KEYS[2], ARGV[6], ARGV[5], ARGV[3]) end
return 'stored'
