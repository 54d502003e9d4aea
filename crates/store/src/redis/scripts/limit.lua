-- A limit that a fleet keeps together. This says in Lua what seawall_policy::fleet::limit says in Rust; tests hold them
-- equal. Everything is in whole microseconds, below 2^53.
--
-- KEYS     the limit
-- ARGV[1]  the number of the question (4 bytes), and in tests the time (8)
-- ARGV[2]  the question, packed; its first letter says which
local pack, take, cut, floor, larger = struct.pack, struct.unpack, string.sub, math.floor, math.max
local SLOTS, LONGEST, DAY = 21, 576460752303423, 86400000000

local now
if #ARGV[1] > 4 then
  now = take('>I8', ARGV[1], 5)
else
  local told = redis.call('TIME')
  now = told[1] * 1000000 + told[2]
end
local act, kind, most, interval, fill, slot, n, other = take('>c1c1I8I8I8I8I8I8', ARGV[2])

-- When it was reset, or zero. A bucket: when it will be full. A window: the number of its present slot, and what passed in
-- each slot, slot n at n % 21 + 1.
local anew, full, number, slots = 0, 0, 0, nil
local held = redis.call('GET', KEYS[1])
if held then
  if cut(held, 1, 1) ~= kind or #held ~= (kind == 'b' and 17 or 101) then
    return redis.error_reply('UNREADABLE the limit is damaged')
  end
  anew = take('>I8', held, 2)
  if now >= anew + DAY then
    anew = 0
  end
  if kind == 'b' then
    full = take('>I8', held, 10)
  else
    number = take('>I8', held, 10)
    slots = {take('>' .. string.rep('I4', SLOTS), held, 18)}
  end
elseif kind == 'w' then
  slots = {}
  for place = 1, SLOTS do
    slots[place] = 0
  end
end

local function cost(count)
  return math.min(interval * count, LONGEST)
end
local function used()
  local sum = 0
  for place = 1, SLOTS do
    sum = sum + slots[place]
  end
  return sum
end
local function place(of)
  return of % SLOTS + 1
end
-- Forgets what has left the window.
local function turn()
  if now - number * slot >= slot then
    local present = floor(now / slot)
    for back = 0, math.min(present - number, SLOTS) - 1 do
      slots[place(present - back)] = 0
    end
    number = present
  end
end

local answer, changed = 'D', true
if act == 'r' then
  anew, full, number = now, 0, 0
  if slots then
    for place = 1, SLOTS do
      slots[place] = 0
    end
  end
elseif act == 'g' then
  -- `other` is when they were taken.
  if other <= anew then
    changed = false
  elseif slots then
    turn()
    local at = floor(other / slot)
    if at <= number and number - at < SLOTS then
      slots[place(at)] = larger(slots[place(at)] - n, 0)
    end
  else
    local back = larger(cost(n) - larger(now - other, 0), 0)
    full = math.min(full, larger(full - back, now))
  end
elseif slots then
  -- `other` have passed already.
  turn()
  if other > 0 then
    slots[place(number)] = math.min(slots[place(number)] + other, 4294967295)
  end
  if n > most then
    answer = 'N'
  else
    local excess = used() + n - most
    if excess <= 0 then
      slots[place(number)] = slots[place(number)] + n
      answer = 'G' .. pack('>I8', now)
    else
      local freed, leaves = 0, (number + 1) * slot
      for age = SLOTS - 1, 0, -1 do
        if number >= age then
          freed = freed + slots[place(number - age)]
          if freed >= excess then
            leaves = (number - age + SLOTS) * slot
            break
          end
        end
      end
      answer = 'W' .. pack('>I8', larger(leaves - now, 1))
    end
  end
else
  if other > 0 then
    full = math.min(larger(full, now) + cost(other), now + LONGEST)
  end
  if n > most then
    answer = 'N'
  else
    local next = larger(full, now) + cost(n)
    local owed = next - now
    if owed > fill then
      answer = 'W' .. pack('>I8', larger(owed - fill, 1))
    else
      full = next
      answer = 'G' .. pack('>I8', now)
    end
  end
end

if changed then
  local ends = full
  if slots then
    ends = used() > 0 and (number + SLOTS) * slot or 0
  end
  if anew > 0 then
    ends = larger(ends, anew + DAY)
  end
  if ends > now then
    local body = slots and pack('>' .. string.rep('I4', SLOTS), unpack(slots)) or ''
    local written = pack('>c1I8I8', kind, anew, slots and number or full) .. body
    if written ~= held then
      redis.call('SET', KEYS[1], written, 'PXAT', floor(ends / 1000) + 1)
    end
  elseif held then
    redis.call('DEL', KEYS[1])
  end
end
return cut(ARGV[1], 1, 4) .. answer
