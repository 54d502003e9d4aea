-- What every step ends with: the record put together again, in one write with its place in the index.
if changed and state then
  local tail, due, gone
  if state == 'E' then
    tail, due = pack('>I6', lapse) .. (since and pack('>I6', since) or ''), lapse
  elseif state == 'D' then
    tail = pack('>c1c1I6c1', truth, how, ended, result and 'y' or 'n') .. (result or '')
    due, gone = ended + kept, ended + larger(kept, known)
  elseif state == 'F' then
    tail, due = pack('>I6I6', since, pause), larger(pause, since + known)
    gone = due
  elseif state == 'T' then
    tail, due = pack('>c1I6', truth, ended), ended + known
    gone = due
  elseif state == 'R' then
    tail = pack('>I6c1I6I6I4c16I6I6', since, reason, quiet, pause, tries, holder, asked, lapse) .. detail
    due = lapse
  else
    -- Nothing is due: these stand behind everything that is, doubts before those for a person.
    tail = pack('>I6c1I6I6I4', since, reason, quiet, pause, tries) .. detail
    due = state == 'I' and 4503599627370496 or 4503599627370497
  end
  body = body or pack('>c1I6c16c24I4I6I6I6I6I4', nature, window, print, run, attempts, first, settle, kept, known,
    #label) .. label
  held = pack('>Bc1I8', 1, state, epoch) .. body .. tail
  -- Only what is finished, or provably never happened, may go by itself.
  if gone then
    redis.call('SET', KEYS[1], held, 'PXAT', gone)
  else
    redis.call('SET', KEYS[1], held)
  end
  redis.call('ZADD', KEYS[2], due, member)
elseif changed then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], member)
end
if answer == 'V' and state then
  answer = 'V' .. held
end
if notes == '' then
  return cut(ARGV[1], 1, 4) .. '\0' .. answer
end
return cut(ARGV[1], 1, 4) .. pack('B', #notes / 2) .. notes .. answer
