-- KEYS: session. ARGV: when Redis forgets it, now, end, end before, and the user whose index knows that end, if there is
-- one. Answers the user, if it is another one.
local found = line(KEYS[1])
if not is_live(found, ARGV[2]) then return 'gone' end
if found.stop_at ~= tonumber(ARGV[4]) then return 'conflict' end
local user = user_of(KEYS[1], found)
if user and user ~= ARGV[5] then return { user } end
local value = redis.call('GET', KEYS[1])
local head = 'wf1 ' .. found.version .. ' ' .. ARGV[3] .. ' ' .. found.subject .. ' ' .. found.length .. '\n'
redis.call('SET', KEYS[1], head .. string.sub(value, found.stop + 1), 'PXAT', ARGV[1])
return 'stored'
