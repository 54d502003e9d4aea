-- Somebody wants to run an effect. Refused by the server itself when its memory is full: nothing has happened yet.
local lease, call, calm, keeps, remembers, spread, most, age, old, wary, kind, what, nonce, trusted, member =
  take('>I6I6I6I6I6I6I4I6c1c1c1c16c16c16c16', ARGV[2])
local MARGIN, UNKNOWN = 60000, 281474976710655

-- Granting stops here, for effects that could happen twice, where the server may have forgotten an earlier grant: when it
-- is not the memory this fleet trusts, or was lost at a time this wish may be older than.
local function forgot()
  local mode = standing and cut(standing, 2, 17) == trusted and cut(standing, 1, 1)
  local stands = mode == 'a' or mode == 'A'
  if wary == 'y' then
    if not stands then
      return 'Zs'
    end
    if mode == 'A' then
      local lost = take('>I6', standing, 18)
      local young = age ~= UNKNOWN and now - age - MARGIN > lost
      if now < lost + remembers and not young and not (state and since > lost) then
        return 'Zo'
      end
    end
  elseif not stands then
    notes = notes .. 'f-'
  end
end

-- The next run of a record that is there.
local function again()
  answer = forgot()
  if not answer then
    epoch, attempts, settle = epoch + 1, math.min(attempts + 1, 4294967295), larger(settle, calm)
    run = pack('>I8', epoch) .. nonce
    state, lapse, changed = 'E', now + lease, true
    answer = 'R' .. run
  end
end

pass()
if not state then
  if old == 'y' then
    answer = 'X'
  else
    answer = forgot()
    if not answer then
      -- Epochs grow even where a record was forgotten in between: they follow the clock.
      epoch = math.min(now, 8796093022208) * 1000 + 1
      run = pack('>I8', epoch) .. nonce
      label, print, nature, window, attempts, first = ARGV[3], what, kind, spread, 1, now
      settle, kept, known = calm, keeps, remembers
      state, lapse, changed = 'E', now + lease, true
      answer = 'R' .. run
    end
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
    again()
  end
elseif state == 'I' and attempts < most
  and (nature == 'i' or nature == 'k' and now + call + MARGIN < first + window) then
  again()
else
  answer = 'I' .. pack('>I6', since) .. reason .. (state == 'Q' and 'y' or 'n')
end
