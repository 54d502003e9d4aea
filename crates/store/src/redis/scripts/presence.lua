-- Who is there, by until when it counts in microseconds. seawall_policy::fleet::presence in Lua.
--
-- KEYS     the group
-- ARGV[1]  the number of the question (4 bytes), and in tests the time (8)
-- ARGV[2]  who, and for how long in microseconds; zero is gone
local now
if #ARGV[1] > 4 then
  now = struct.unpack('>I8', ARGV[1], 5)
else
  local told = redis.call('TIME')
  now = told[1] * 1000000 + told[2]
end
local who, span = struct.unpack('>c16I8', ARGV[2])

if span > 0 then
  redis.call('ZADD', KEYS[1], now + span, who)
else
  redis.call('ZREM', KEYS[1], who)
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local latest = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if latest[2] then
  redis.call('PEXPIREAT', KEYS[1], math.floor(tonumber(latest[2]) / 1000) + 1)
end
return string.sub(ARGV[1], 1, 4) .. struct.pack('>I4', redis.call('ZCARD', KEYS[1]))
