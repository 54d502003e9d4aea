-- Somebody wants to run an effect. Refused by the server itself when its memory is full: nothing has happened yet.
local lease, call, calm, keeps, remembers, spread, most, age, old, wary, kind, what, nonce, trusted, member =
  take('>I6I6I6I6I6I6I4I6c1c1c1c16c16c16c16', ARGV[2], 2)
local MARGIN, UNKNOWN = 60000, 281474976710655
local grant = false
if not state then
  if old == 'y' then
    answer = 'X'
  else
    grant = true
  end
elseif print ~= what then
  answer, notes = 'M', notes .. 'm-'
elseif state == 'E' then
  if cut(run, 9) == nonce then
    -- Written once more, so that whoever waits for replicas waits for this grant and not for whatever was last.
    answer, changed = 'R' .. run, true
  else
    answer = 'B' .. pack('>I6', larger(lapse - now, 0))
  end
elseif state == 'D' then
  answer = 'P' .. truth .. (result and 'y' .. result or 'n')
elseif state == 'T' then
  answer = 'P' .. truth .. 'n'
elseif state == 'F' then
  if cut(run, 9) == nonce then
    answer = 'F'
  elseif pause > now then
    answer = 'C' .. pack('>I6', pause - now)
  elseif attempts >= most then
    answer = 'H'
  elseif old == 'y' then
    answer = 'X'
  else
    grant = true
  end
elseif state == 'I' and attempts < most and
    (nature == 'i' or nature == 'k' and now + call + MARGIN < first + window) then
  grant = true
else
  answer = 'I' .. pack('>I6', since) .. reason .. (state == 'Q' and 'y' or 'n')
end

-- Granting stops here, for effects that could happen twice, where the server may have forgotten an earlier grant: when it
-- is not the memory this fleet trusts, or was lost at a time this wish may be older than.
if grant then
  local mode = standing and cut(standing, 2, 17) == trusted and cut(standing, 1, 1)
  if mode ~= 'a' and mode ~= 'A' then
    if wary == 'y' then
      answer = 'Zs'
    else
      notes = notes .. 'f-'
    end
  elseif mode == 'A' and wary == 'y' then
    local lost = take('>I6', standing, 18)
    local young = age ~= UNKNOWN and now - age - MARGIN > lost
    if now < lost + remembers and not young and not (state and since > lost) then
      answer = 'Zo'
    end
  end
end
if grant and not answer then
  if state then
    epoch, attempts, settle = epoch + 1, math.min(attempts + 1, 4294967295), larger(settle, calm)
  else
    -- Epochs grow even where a record was forgotten in between: they follow the clock.
    epoch, attempts, first = math.min(now, 8796093022208) * 1000 + 1, 1, now
    label, print, nature, window, settle, kept, known = ARGV[3], what, kind, spread, calm, keeps, remembers
  end
  -- That this run does not take place will say nothing of one that is in doubt.
  since = state == 'I' and since or nil
  run, body = pack('>I8', epoch) .. nonce, nil
  state, lapse, changed = 'E', now + lease, true
  answer = 'R' .. run
end
