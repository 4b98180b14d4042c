-- KEYS: session. ARGV: now, and the version that must be the last, or nothing. Answers the user, if there is one.
local found = line(KEYS[1])
if not is_live(found, ARGV[1]) then return 'gone' end
if ARGV[2] ~= '' and found.version ~= ARGV[2] then return 'conflict' end
local user = user_of(KEYS[1], found)
mark(KEYS[1], found)
if user then return { user } end
return 'stored'
