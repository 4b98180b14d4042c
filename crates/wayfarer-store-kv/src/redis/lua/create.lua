-- KEYS: session, and its user's index if it has a user. ARGV: value, when Redis forgets it, now, and for the index: end, member.
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PXAT', ARGV[2]) then return 'taken' end
if KEYS[2] then remember(KEYS[2], ARGV[5], ARGV[4], ARGV[3]) end
return 'stored'
