-- Stores one message: all of it or nothing.
--
-- KEYS: the room's meta, the room's tail, the partition's log, the send's memory
-- ARGV: seen epoch, seen seq, body, fingerprint of the text, dedupe window (ms),
--       bound of the log (entries), tail messages, tail age (ms), tail bytes, channel,
--       nonce of the request (8 bytes)
--
-- Answers {verdict, epoch, seq, timestamp}; the verdicts are those of scripts.go.

local HEADER = '>BI8I8I8I8'

local known = redis.call('GET', KEYS[4])
if known then
  local epoch, seq, ts, nonce, text = struct.unpack('>I8I8I8c8c16', known)
  if text ~= ARGV[4] then return {2} end
  -- The same request may come again when its first answer was lost.
  return {nonce == ARGV[11] and 0 or 1, epoch, seq, ts}
end

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'ts', 'bytes')
local epoch, seq, ts, bytes = tonumber(meta[1]), tonumber(meta[2]), tonumber(meta[3]), tonumber(meta[4])
local seenEpoch, seenSeq = tonumber(ARGV[1]), tonumber(ARGV[2])
-- The log has forgotten the room, or what this server has seen of it.
if not epoch or seenEpoch > epoch or (seenEpoch == epoch and seenSeq > seq) then return {4} end

if redis.call('XLEN', KEYS[3]) >= tonumber(ARGV[6]) then return {3} end

local time = redis.call('TIME')
ts = math.max(ts, time[1] * 1000 + math.floor(time[2] / 1000))
seq = seq + 1
bytes = bytes + #ARGV[3]
local record = struct.pack(HEADER, 1, epoch, seq, ts, bytes) .. ARGV[3]

-- The first write is the only one that can fail: the tail takes no id twice.
local added = redis.pcall('XADD', KEYS[2], string.format('%.0f-0', seq), 'm', record)
if type(added) == 'table' then
  if string.find(added.err, 'equal or smaller', 1, true) then return {5, epoch, seq - 1} end
  return added
end
redis.call('HSET', KEYS[1], 'seq', string.format('%.0f', seq), 'ts', string.format('%.0f', ts), 'bytes', string.format('%.0f', bytes))
redis.call('XADD', KEYS[3], '*', 'm', record)
redis.call('SET', KEYS[4], struct.pack('>I8I8I8', epoch, seq, ts) .. ARGV[11] .. ARGV[4], 'PX', ARGV[5])
redis.call('PUBLISH', ARGV[10], record)

-- Now and then the oldest of the tail go, a few more than have come since.
local EVERY, SOME = 16, 32
if seq % EVERY == 0 then
  local length, keep = redis.call('XLEN', KEYS[2]), tonumber(ARGV[7])
  local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
  local _, _, _, oldTs, oldBytes = struct.unpack(HEADER, oldest[2][2])
  if bytes - oldBytes > tonumber(ARGV[9]) then
    redis.call('XTRIM', KEYS[2], 'MAXLEN', math.max(1, length - SOME))
  elseif length > keep and ts - oldTs > tonumber(ARGV[8]) then
    redis.call('XTRIM', KEYS[2], 'MAXLEN', math.max(keep, length - SOME))
  end
end

return {0, epoch, seq, ts}
