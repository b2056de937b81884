// Package redisbroker is the broker of many equal servers: the log of all rooms
// is in Redis, which orders it, and every server follows the rooms that its
// users are in.
//
// # The log
//
// A room belongs to one of 16 partitions. Of each room there are its meta (a hash
// of epoch, newest seq, newest timestamp, the life's first seq), its tail (a
// stream of the newest messages, whose ids are "seq-0") and, for the dedupe
// window, a key for each send with its ack. Each partition has a log, the stream
// that the feed hands to the history. One script stores a message in all of them
// and announces it: send.lua. Nothing else writes messages.
//
// # A message's way
//
// Send queues it; the writer puts whatever waits into one pipeline; Redis runs
// the script for each; the answers come back as acks. Servers that follow the
// room get the record by its channel: the listener puts it into the room's inbox,
// and a goroutine of the room delivers it if it is the next. If it is not,
// nothing is delivered out of order: the checker reads where the room is, and
// the goroutine fetches what is missing from the tail. Announcements are a mere
// hint, therefore; the tail is what counts. Rooms are compared with it after
// every (re)connection, when something does not fit, and every few seconds.
//
// # What must hold
//
//   - A script is done whole or not at all, in memory and in the append-only
//     file, and its first write is the only one that can fail. So a message that
//     is in the tail is in the partition's log and is remembered for the dedupe
//     window, whatever crashes.
//   - The cursor of a room moves from seq to seq of one life, or over a Gap that
//     it tells. A receiver never gets a message that does not follow.
//   - Whenever Redis confirms a subscription, the first or one after a loss, the
//     room is compared with the log, and what comes meanwhile waits in the inbox:
//     nothing is between the position that a receiver was given and delivery.
//   - Whatever fails while a send is under way, the send may be tried again: the
//     key of the send is written with the message. The writer does so until the
//     send's time is over and answers Unavailable then. A pipeline that was given
//     up and is executed late does no harm for the same reason.
//   - The writer has one pipeline under way, so the sends of a server to a room
//     keep their order. The one exception is the beginning of a new life, when a
//     send may be refused that one behind it in the same pipeline is not.
//
// # Lives
//
// A room's life is named by its epoch. A new one begins when the log has no meta of
// the room (Redis was flushed, or dropped the key), when it has less than this
// server has seen (a fail-over lost the newest), or when a seq was seen twice
// (after such a fail-over). Every call passes what its server has seen. The epoch
// is the time in milliseconds, and the life's seqs begin above 1,000 times that.
//
// No seq is given twice, then, as long as a room gets less than 1,000 messages a
// millisecond: a later life begins above all seqs of earlier ones, whether any of
// them is in the history or known to anybody, and even if several lives were
// lost one after the other. Should the clock say that a life begins before what
// is known of the room (from this server, the tail, or the history if that
// answers), it has gone back. The epoch is then moved on, until the seqs begin more
// than 2^20 above what is known: what the history does not have yet is at most
// the backlog of a partition, which is bounded below that. Seqs stay below 2^53.
//
// # What an ack covers
//
// With appendonly yes and appendfsync always, an acked message is on Redis's disk:
// Redis answers, and passes announcements on, after it has synced. A crash of
// Redis or of any server loses nothing. With everysec it may lose the last second
// or two, and the rooms concerned begin a new life. No setting covers the loss
// of the disk. A fail-over to a replica loses what the replica had not received;
// min-replicas-to-write bounds how much that can be. Redis must not evict
// (maxmemory-policy noeviction): full, it refuses sends, and nothing is lost.
package redisbroker
