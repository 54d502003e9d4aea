-- A name that one holder has at a time: epoch, holder, end in microseconds. seawall_policy::fleet::lease in Lua.
--
-- KEYS     the name
-- ARGV[1]  the number of the question (4 bytes), and in tests the time (8)
-- ARGV[2]  the question, packed; its first letter says which
local pack, take, cut = struct.pack, struct.unpack, string.sub

local now
if #ARGV[1] > 4 then
  now = take('>I8', ARGV[1], 5)
else
  local told = redis.call('TIME')
  now = told[1] * 1000000 + told[2]
end
local act, who, right, span = take('>c1c16c8I8', ARGV[2])

local epoch, holder, ends = 0, '', 0
local held = redis.call('GET', KEYS[1])
if held then
  if #held ~= 32 then
    return redis.error_reply('UNREADABLE the lease is damaged')
  end
  epoch, holder, ends = take('>I8c16I8', held)
end
local mine = holder == who and pack('>I8', epoch) == right

local answer, changed = 'L', false
if act == 'a' then
  if ends <= now or holder == who then
    if ends <= now then
      epoch, holder = math.max(now, epoch + 1), who
    end
    ends, changed = now + span, true
    answer = 'H' .. pack('>I8', epoch)
  else
    answer = 'B' .. pack('>I8', ends - now)
  end
elseif act == 'n' then
  if ends > now and mine then
    ends, changed = now + span, true
    answer = 'H' .. right
  end
elseif mine then
  ends, changed = 0, true
  answer = 'F'
end
if changed then
  -- For a day longer, though epochs follow the clock.
  local gone = math.floor((math.max(ends, now) + 86400000000) / 1000)
  redis.call('SET', KEYS[1], pack('>I8c16I8', epoch, holder, ends), 'PXAT', gone)
end
return cut(ARGV[1], 1, 4) .. answer
