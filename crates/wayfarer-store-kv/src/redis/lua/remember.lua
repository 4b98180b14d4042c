-- KEYS: index. ARGV: member, end, now.
remember(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
return 'done'
