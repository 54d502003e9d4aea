-- A breaker that a fleet shares. This says in Lua what seawall_policy::fleet::breaker says in Rust; tests hold them equal.
-- Everything is in whole microseconds, below 2^53.
--
-- KEYS     the breaker
-- ARGV[1]  the number of the question (4 bytes), and in tests the time (8)
-- ARGV[2]  the rules, packed
-- ARGV[3]  the question, packed; its first letter says which
-- ARGV[4]  who, where it is a lever; ARGV[5] why
local pack, take, cut, floor, larger, less = struct.pack, struct.unpack, string.sub, math.floor, math.max, math.min
local SLOTS, MOST = 10, 4294967295

local now
if #ARGV[1] > 4 then
  now = take('>I8', ARGV[1], 5)
else
  local told = redis.call('TIME')
  now = told[1] * 1000000 + told[2]
end
local own, in_a_row, most_failures, least_calls, failure_rate, slow_rate, open, cap, manual, most_probes, successes,
  sample, lease, ramp_span = take('>I8I4I4I4ddI8I8c1I4I4I4I8I8', ARGV[2])

local state, epoch, since, resumes, ends, ramp = 'C', now, now, now, 0, 0
local opened, reopened, run, last_probe, good, bad = 0, 0, 0, 0, 0, 0
local slot, number, tallies = own, 0, {}
local probes, by, reason = {}, '', ''
local held = redis.call('GET', KEYS[1])
if held then
  if #held < 216 or take('B', held) ~= 1 then
    return redis.error_reply('UNREADABLE the breaker is damaged, or of a newer version')
  end
  state, epoch, since, resumes, ends, ramp, opened, reopened, run, last_probe, good, bad, slot, number =
    take('>c1I8I8I8I8I8I8I4I4I8I4I4I8I8', held, 2)
  tallies = {take('>' .. string.rep('I4', 3 * SLOTS), held, 91)}
  local count, at = take('>I2', held, 211)
  for _ = 1, count do
    local id, over
    id, over, at = take('>I8I8', held, at)
    probes[#probes + 1] = {id, over}
  end
  local size
  size, at = take('>I2', held, at)
  by, at = cut(held, at, at + size - 1), at + size
  size, at = take('>I2', held, at)
  reason, at = cut(held, at, at + size - 1), at + size
  if at ~= #held + 1 or slot < 1000 or not string.find('COHFf', state, 1, true) then
    return redis.error_reply('UNREADABLE the breaker is damaged, or of a newer version')
  end
end

-- The window: calls, failures and slow ones of slot n from 3 * (n % 10) + 1 on.
local function place(of)
  return of % SLOTS * 3
end
local function empty()
  for at = 1, 3 * SLOTS do
    if (tallies[at] or 0) > 0 then
      return false
    end
  end
  return true
end
local function clear()
  for at = 1, 3 * SLOTS do
    tallies[at] = 0
  end
end
local function turn()
  if now - number * slot >= slot then
    local present = floor(now / slot)
    for back = 0, less(present - number, SLOTS) - 1 do
      local at = place(present - back)
      tallies[at + 1], tallies[at + 2], tallies[at + 3] = 0, 0, 0
    end
    number = present
  end
end
local ahead = held and number - floor(now / slot) >= SLOTS
if held then
  turn()
end
if empty() or ahead then
  clear()
  slot, number = own, 0
end
local function pause()
  return less(open * 2 ^ less(reopened, 31), cap > 0 and cap or open)
end
local function totals()
  turn()
  local calls, failures, slow = 0, 0, 0
  for at = 1, 3 * SLOTS, 3 do
    calls, failures, slow = calls + tallies[at], failures + tallies[at + 1], slow + tallies[at + 2]
  end
  return calls, failures, slow
end
local function reaches(part, share, whole)
  return part >= share * whole * (1 - 1e-12)
end

local moved = '-'
local function go(to, why)
  if state == 'H' and to == 'O' then
    reopened = less(reopened + 1, MOST)
  elseif to == 'C' or to == 'f' then
    reopened = 0
  end
  if to == 'O' then
    opened = opened + 1
  end
  if to ~= state then
    moved = why
  end
  state, since, epoch, run = to, now, epoch + 1, 0
  resumes = now + pause()
  ends, ramp, probes, good, bad = 0, 0, {}, 0, 0
end
local function too_much(failed, slow)
  if failed and in_a_row > 0 and run >= in_a_row then
    return 'r'
  end
  if most_failures == 0 and least_calls == 0 then
    return nil
  end
  local calls, failures, slow_ones = totals()
  if failed and most_failures > 0 and failures >= most_failures then
    return 'n'
  end
  if least_calls == 0 or calls < least_calls then
    return nil
  end
  if failed and reaches(failures, failure_rate, calls) then
    return 'x'
  end
  return slow and reaches(slow_ones, slow_rate, calls) and 'w' or nil
end

-- A clock that was set back prolongs no pause and no probe.
since, ramp, resumes = less(since, now), less(ramp, now), less(resumes, now + pause())
for _, probe in ipairs(probes) do
  probe[2] = less(probe[2], now + lease)
end

-- What time alone does.
if state == 'F' and ends > 0 and ends <= now then
  go('H', 'h')
elseif state == 'f' and ends > 0 and ends <= now then
  go('C', 'h')
elseif state == 'H' and ramp > 0 and larger(now - ramp, 0) >= ramp_span then
  local epoch_before, run_before = epoch, run
  go('C', 'm')
  epoch, run = epoch_before, run_before
end

local granted = 0
local act = cut(ARGV[3], 1, 1)
if act == 'r' then
  local of, first, last, worked, count, at = take('>I8I4I4c1I2', ARGV[3], 2)
  local passes = state == 'C' or state == 'f' or state == 'H' and ramp > 0
  if passes and (of == 0 or of == epoch) then
    local failed, slowed = 0, 0
    turn()
    for _ = 1, count do
      local ago, calls, failures, slow
      ago, calls, failures, slow, at = take('>I8I4I4I4', ARGV[3], at)
      local ended = larger(now - ago, 0)
      local which = floor(ended / slot)
      if not (of == 0 and ended < since) and which <= number and number - which < SLOTS then
        local to = place(which)
        tallies[to + 1] = less(tallies[to + 1] + calls, MOST)
        tallies[to + 2] = less(tallies[to + 2] + failures, MOST)
        tallies[to + 3] = less(tallies[to + 3] + slow, MOST)
        failed, slowed = less(failed + failures, MOST), less(slowed + slow, MOST)
      end
    end
    local peak = less(run + less(first, failed), MOST)
    last = worked == 'y' and less(last, failed) or peak
    run = larger(peak, last)
    local why = state ~= 'f' and (failed > 0 or slowed > 0) and too_much(failed > 0, slowed > 0)
    if why then
      go('O', why)
    else
      run = last
    end
  end
elseif act == 'p' then
  local may = state == 'O' and manual == 'n' and resumes <= now
  if may then
    go('H', 'p')
  elseif state == 'H' and ramp == 0 then
    local under_way = 0
    for _, probe in ipairs(probes) do
      under_way = under_way + (probe[2] > now and 1 or 0)
    end
    may = under_way < most_probes
  end
  if may then
    local still = {}
    for _, probe in ipairs(probes) do
      if probe[2] > now then
        still[#still + 1] = probe
      end
    end
    last_probe = last_probe + 1
    still[#still + 1] = {last_probe, now + lease}
    probes, granted = still, last_probe
  end
elseif act == 'd' then
  local of, id, heard = take('>I8I8c1', ARGV[3], 2)
  local found
  if of == epoch then
    for at, probe in ipairs(probes) do
      if probe[1] == id then
        -- The last one takes its place, as in Rust: the order is kept equal, too.
        probes[at] = probes[#probes]
        probes[#probes] = nil
        found = true
        break
      end
    end
  end
  if found and heard ~= 'n' then
    if heard == 'w' then
      good = less(good + 1, MOST)
    else
      bad = less(bad + 1, MOST)
    end
    local proved = false
    if sample == 0 then
      if heard == 'f' then
        go('O', 'f')
      elseif heard == 's' then
        go('O', 's')
      else
        proved = good >= successes
      end
    elseif reaches(bad, failure_rate, sample) then
      go('O', 'q')
    else
      proved = good + bad >= sample
    end
    if proved then
      clear()
      if ramp_span == 0 then
        go('C', 'g')
      else
        probes, good, bad, ramp = {}, 0, 0, now
      end
    end
  end
else
  local lever, hold = take('>c1I8', ARGV[3], 2)
  by, reason = ARGV[4], ARGV[5]
  if lever == 'o' then
    go('F', 'o')
  elseif lever == 'c' then
    go('f', 'c')
  elseif lever == 'h' then
    go('H', 'a')
  else
    clear()
    go('C', 'z')
  end
  -- One more than it is, so that zero is none.
  ends = hold > 0 and now + hold - 1 or 0
end
local forced = state == 'F' or state == 'f'
if not forced then
  ends, by, reason = 0, '', ''
end

local calls, failures, slow_ones = totals()
local written = {}
if empty() then
  slot, number = own, 0
end
written[1] = pack('>Bc1I8I8I8I8I8I8I4I4I8I4I4I8I8', 1, state, epoch, since, resumes, ends, ramp, opened, reopened, run,
  last_probe, good, bad, slot, number)
written[2] = pack('>' .. string.rep('I4', 3 * SLOTS), unpack(tallies))
written[3] = pack('>I2', #probes)
for _, probe in ipairs(probes) do
  written[#written + 1] = pack('>I8I8', probe[1], probe[2])
end
written[#written + 1] = pack('>I2', #by) .. by .. pack('>I2', #reason) .. reason
written = table.concat(written)
if written ~= held then
  local days = state == 'C' and 30 or 3650
  redis.call('SET', KEYS[1], written, 'PXAT', floor(now / 1000) + days * 86400000)
end
return cut(ARGV[1], 1, 4) .. pack('>c1I8I8I8I8I8I8I8I8I8c1I8', state, epoch, larger(now - since, 0),
  state == 'O' and larger(resumes - now, 0) or 0, forced and ends > 0 and larger(ends - now, 0) + 1 or 0,
  ramp > 0 and larger(now - ramp, 0) + 1 or 0, calls, failures, slow_ones, opened, moved, granted) ..
  pack('>I2', #by) .. by .. pack('>I2', #reason) .. reason
