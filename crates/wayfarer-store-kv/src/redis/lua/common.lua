-- What every script on native sessions begins with. The format of a value is in held.rs.

-- The first line of the value under a key: version, end, subject, length of the user, and where the line ends. Nothing if
-- there is no value; an error if nobody of ours stored it.
local function line(key)
  local head = redis.call('GETRANGE', key, 0, 127)
  if head == '' then return nil end
  local _, stop, version, stop_at, subject, length = string.find(head, '^wf1 (%d+) (%-?%d+) (%S+) (%S+)\n')
  if not version then error('WFUNREADABLE not a session of this store') end
  return { version = version, stop_at = tonumber(stop_at), subject = subject, length = length, stop = stop }
end

local function is_live(found, now)
  return found and found.version ~= '0' and found.stop_at > tonumber(now)
end

-- The user of a value whose line was found; nothing if it has none.
local function user_of(key, found)
  if found.length == '-' then return nil end
  if found.length == '0' then return '' end
  return redis.call('GETRANGE', key, found.stop, found.stop + tonumber(found.length) - 1)
end

-- Ends the session under a key: what is left is the mark, for as long as the session would have lived.
local function mark(key, found)
  redis.call('SET', key, string.format('wf1 0 %.0f - -\n', found.stop_at), 'KEEPTTL')
end

-- Notes in a user's index that a session lives until `stop_at`, and forgets those that ran out.
local function remember(index, member, stop_at, now)
  redis.call('ZADD', index, 'GT', stop_at, member)
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
  local last = redis.call('ZREVRANGE', index, 0, 0, 'WITHSCORES')[2]
  if last then
    redis.call('PEXPIREAT', index, string.format('%.0f', math.ceil(tonumber(last) / 1000) + 60000))
  end
end
