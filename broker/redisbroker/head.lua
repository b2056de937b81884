-- Reads a room's newest position and, if the log has lost its memory of the room
-- and the caller may say so, begins the room's next life.
--
-- KEYS: the room's meta, the room's tail
-- ARGV: mode (read, begin, renew, fork), the caller's clock, seen epoch, seen seq,
--       seen timestamp, epoch and seq of the newest message in the history
--
-- Answers {verdict, epoch, seq, the life's first seq}; the verdicts are those of
-- scripts.go.

local mode = ARGV[1]
local clock, seenEpoch, seenSeq, seenTs = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local durableEpoch, durableSeq = tonumber(ARGV[6]), tonumber(ARGV[7])

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'ts', 'floor')
local epoch, seq, ts, floor = tonumber(meta[1]), tonumber(meta[2]), tonumber(meta[3]), tonumber(meta[4])

local rolledBack = epoch and (seenEpoch > epoch or (seenEpoch == epoch and seenSeq > seq))
-- Who tells of a fork means the life in which he saw it.
local forked = mode == 'fork' and seenEpoch == epoch
if epoch and not rolledBack and not forked then return {0, epoch, seq, floor} end
if mode == 'read' then return {4} end
if mode == 'begin' and epoch then return {0, epoch, seq, floor} end
-- What has been seen is not new.
if mode == 'begin' and seenEpoch > 0 then mode = 'renew' end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- A clock that is a day ahead is wrong, and would make all later ones follow it.
local life = math.max(now, math.min(clock, now + 86400000))
local first, bytes = 1, 0
if mode ~= 'begin' then
  local known, top = math.max(seenEpoch, durableEpoch, epoch or 0), math.max(seenSeq, durableSeq, seq or 0)
  local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
  if newest then
    local _, _, newestSeq, newestTs, newestBytes = struct.unpack('>BI8I8I8I8', newest[2][2])
    top, ts, bytes = math.max(top, newestSeq), math.max(ts or 0, newestTs), newestBytes
  end
  -- Above all that was ever given: see the package comment.
  if life <= known or life * 1000 <= top then
    life = math.max(known + 1, math.ceil((top + 1048576) / 1000))
  end
  first = life * 1000 + 1
end
local function whole(n) return string.format('%.0f', n) end
redis.call('HSET', KEYS[1], 'epoch', whole(life), 'seq', whole(first - 1), 'floor', whole(first),
  'ts', whole(math.max(ts or 0, seenTs)), 'bytes', whole(bytes))
return {6, life, first - 1, first}
