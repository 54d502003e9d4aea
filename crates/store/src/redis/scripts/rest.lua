-- Every other question. Run even when the server's memory is full: what has happened must be written down.
local token, said, verdict, has, span, member = take('>c24c1c1c1I6c16', ARGV[2], 2)
local words = ARGV[3]

local doubted = state == 'I' or state == 'R' or state == 'Q'
-- May the doubt be about an earlier run too?
local earlier = attempts and attempts > 1 and (nature == 'i' or nature == 'k')
local upright = state == 'R' and pack('>I8', epoch) .. holder == token

-- What follows, where something does: it has ended, by the word of somebody; or it is free again, after a pause.
local by, rest, stale
-- A new epoch, so that whoever was granted anything before can no longer finish it. The owner's own right stays.
local fence = false

if act == 'v' then
  -- The last word of a reconcile.
  if not state then
    answer = 'N-'
  elseif not upright then
    answer = 'F'
  elseif said == 'e' then
    by, answer, notes = 'r', 'O', notes .. 'cr'
  elseif said == 'n' and (has == 'y' or asked >= quiet) then
    rest, answer, notes = 0, 'O', notes .. 'cr'
  elseif said == 'n' then
    -- Too early to believe: to be asked again when all is quiet.
    state, pause, changed, answer = 'I', larger(quiet, now + 1000), true, 'O'
  else
    pause = now + math.min(5000 * 2 ^ math.min(tries, 16), 3600000)
    tries, detail, changed, answer = math.min(tries + 1, 4294967295), words, true, 'O'
    state = 'I'
    if tries >= 10 then
      state, notes = 'Q', notes .. 'q-'
    end
  end
elseif act == 'p' then
  answer = 'V'
elseif act == 's' then
  -- Time alone. What the server has expired is only in the index any more.
  if not held then
    changed = redis.call('ZREM', KEYS[2], member) == 1
  end
  answer = 'S' .. (changed and 'y' or 'n') .. (label or '')
  changed = changed and held
elseif not state then
  answer = 'N-'
  if act == 'c' then
    answer = 'F'
    if said == 'e' and verdict == 'a' then
      notes = notes .. 'f-'
    end
  end
elseif act == 'n' then
  if state == 'E' and run == token or upright then
    lapse, changed, answer = now + span, true, 'O'
  else
    answer = 'N' .. state
  end
elseif act == 'c' then
  if run ~= token then
    stale = true
  elseif state == 'E' then
    answer = 'O'
    if said == 'e' then
      by = 'o'
    elseif said == 'n' and not since then
      rest = span
    else
      if said == 'n' then
        words, answer = 'the last run has not taken place, an earlier one may have', 'I' .. pack('>I6', since) .. 'un'
      else
        notes = notes .. 'du'
      end
      since = since or now
      state, reason, quiet, pause, tries, detail, changed = 'I', 'u', now + settle, now, 0, words, true
    end
  elseif doubted and said == 'n' and earlier then
    answer = 'I' .. pack('>I6', since) .. reason .. (state == 'Q' and 'y' or 'n')
  elseif doubted and said ~= 'u' then
    -- The owner knows after all. Whoever reconciles meanwhile is fenced off.
    fence, answer, notes = true, 'L', notes .. 'cl'
    if said == 'e' then
      by = 'l'
    else
      rest = span
    end
  elseif state == 'F' and said == 'e' and verdict == 'a' then
    stale = true
  elseif (state == 'D' or state == 'T') and said ~= 'u' then
    local same = said == 'e' and truth == verdict
    if state == 'D' and (how == 'o' or how == 'l') then
      same = same and result == (has == 'y' and words)
    end
    if same then
      answer = 'A'
    else
      answer, notes = 'T', notes .. 't-'
    end
  else
    answer = 'A'
  end
elseif act == 'r' then
  local nonce = cut(token, 9)
  if state == 'R' and holder == nonce then
    answer = 'K' .. pack('>I8', epoch) .. nonce .. (asked >= quiet and 'y' or 'n')
  elseif state == 'R' then
    answer = 'B' .. pack('>I6', larger(lapse - now, 0))
  elseif state == 'I' and pause > now then
    answer = 'C' .. pack('>I6', pause - now)
  elseif state == 'I' then
    epoch = epoch + 1
    state, holder, asked, lapse, changed = 'R', nonce, now, now + span, true
    answer = 'K' .. pack('>I8', epoch) .. nonce .. (now >= quiet and 'y' or 'n')
  else
    answer = 'N' .. state
  end
elseif act == 'f' then
  if not doubted then
    answer = 'N' .. state
  else
    fence, answer, notes = true, 'O', notes .. 'cf'
    if said == 'e' then
      by = 'f'
    else
      rest = 0
    end
  end
else
  return redis.error_reply('UNREADABLE a question nobody knows')
end

if stale then
  -- Its right has lapsed. If it took place, and somebody else was or may be allowed to run it too, that is grave.
  answer = 'F'
  if said == 'e' and verdict == 'a' and nature ~= 'i' and nature ~= 'k' then
    notes = notes .. 'x-'
  end
end
if fence then
  epoch = epoch + 1
end
if by then
  state, truth, how, ended, result, changed = 'D', verdict, by, now, has == 'y' and words, true
elseif rest then
  state, since, pause, changed = 'F', now, now + rest, true
end
