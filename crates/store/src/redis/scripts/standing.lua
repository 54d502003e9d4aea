-- Changes the standing of a shard from what it was believed to be, and answers what it is now.
local held = redis.call('GET', KEYS[1]) or ''
if string.sub(held, 1, 17) ~= ARGV[1] then
  return held
end
-- The latest time told stays.
local next = ARGV[2] .. (#held >= 29 and string.sub(held, 24, 29) or '\0\0\0\0\0\0')
redis.call('SET', KEYS[1], next)
return next
