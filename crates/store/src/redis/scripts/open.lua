-- What every step begins with: the time, the shard's standing, the record taken apart, and what time alone has done to it.
-- This, `begin.lua`, `rest.lua` and `close.lua` say in Lua what seawall_policy::effect says in Rust; tests hold them equal.
--
-- KEYS     the record, the shard's index by due time, the shard's standing
-- ARGV[1]  the number of the question (4 bytes), and in tests the time (6)
-- ARGV[2]  the question, packed; its first letter says which
-- ARGV[3]  what of it has no fixed length
--
-- Numbers are whole and below 2^53, and are packed, never printed: Lua prints fourteen digits of them.
local pack, take, cut, larger = struct.pack, struct.unpack, string.sub, math.max

local held, standing = unpack(redis.call('MGET', KEYS[1], KEYS[3]))

local now
if #ARGV[1] > 4 then
  now = take('>I6', ARGV[1], 5)
else
  local told = redis.call('TIME')
  now = told[1] * 1000 + math.floor(told[2] / 1000)
end
-- The latest time this shard has told, to a tenth of a second: a server's clock that is set back stands still.
if standing then
  local latest = take('>I6', standing, 24)
  if now < latest then
    now = latest
  elseif now >= latest + 100 then
    redis.call('SETRANGE', KEYS[3], 23, pack('>I6', now))
  end
end

local state, epoch, nature, window, print, run, attempts, first, settle, kept, known, label
local body                                              -- nature to label, as stored, while none of it has changed
local lapse                                             -- executing, reconciling: when the lease ends
local since, reason, quiet, pause, tries, detail        -- in doubt; of these, free has since and pause, and executing
                                                        -- has since where an earlier run is in doubt
local holder, asked                                     -- reconciling
local truth, how, ended, result                         -- finished; a result is a string or false
if held then
  local layout, at
  layout, state = take('>Bc1', held)
  if layout ~= 1 then
    return redis.error_reply('UNREADABLE the record is of layout ' .. layout .. ', this writes layout 1')
  end
  epoch, nature, window, print, run, attempts, first, settle, kept, known, label, at =
    take('>I8c1I6c16c24I4I6I6I6I6I4c0', held, 3)
  body = cut(held, 11, at - 1)
  if state == 'E' then
    lapse, at = take('>I6', held, at)
    if at <= #held then
      since = take('>I6', held, at)
    end
  elseif state == 'D' then
    local has
    truth, how, ended, has, at = take('>c1c1I6c1', held, at)
    result = has == 'y' and cut(held, at)
  elseif state == 'F' then
    since, pause = take('>I6I6', held, at)
  elseif state == 'T' then
    truth, ended = take('>c1I6', held, at)
  elseif state == 'I' or state == 'Q' then
    since, reason, quiet, pause, tries, at = take('>I6c1I6I6I4', held, at)
    detail = cut(held, at)
  elseif state == 'R' then
    since, reason, quiet, pause, tries, holder, asked, lapse, at = take('>I6c1I6I6I4c16I6I6', held, at)
    detail = cut(held, at)
  else
    return redis.error_reply('UNREADABLE the record is in a state nobody knows')
  end
end

-- Notes are two letters each, in order.
local act, changed, notes, answer = cut(ARGV[2], 1, 1), false, '', nil

-- Time alone. An owner may speak after its time, until somebody else wants something: for its words time stands still.
if act == 'n' or act == 'c' or act == 'v' then
  -- Nothing.
elseif state == 'E' then
  if lapse <= now then
    state, since, reason, quiet, pause, tries = 'I', since or now, 'l', lapse + settle, now, 0
    detail = 'not heard of within its lease'
    changed, notes = true, 'dl'
  end
elseif state == 'R' then
  if lapse <= now then
    state, pause, changed = 'I', now, true
  end
elseif state == 'D' then
  if ended + larger(known, kept) <= now then
    state, changed = nil, true
  elseif ended + kept <= now then
    state, changed = 'T', true
  end
elseif state == 'T' then
  if ended + known <= now then
    state, changed = nil, true
  end
elseif state == 'F' then
  if larger(pause, since + known) <= now then
    state, changed = nil, true
  end
end
