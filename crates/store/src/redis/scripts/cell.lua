-- A cell of text, changed by comparing: eight bytes of version, then the text.
--
-- KEYS     the cell
-- ARGV[1]  the number of the question (4 bytes)
-- ARGV[2]  'r' to read; or 'w', and the version it must have, or nothing where it must not be there
-- ARGV[3]  the new version and the new text
-- ARGV[4]  how long to keep them, in milliseconds
local held = redis.call('GET', KEYS[1]) or ''
if ARGV[2] == 'r' then
  return ARGV[1] .. held
end
if 'w' .. string.sub(held, 1, 8) ~= ARGV[2] then
  return ARGV[1] .. 'n'
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
return ARGV[1] .. 'y'
