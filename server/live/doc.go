// Package live holds the connections of one server and the rooms they are in.
//
// How a message travels here: the broker hands it to the room (room.go), which
// encodes and frames it once and appends it to the room's log (roomlog.go); a
// flush worker (flush.go) then gives every member's connection the bytes between
// its cursor and the head of the log in one write (output.go).
//
// Invariants:
//
//   - A connection sees a room's frames in the order of the room's log, each
//     once, from the position that its `joined` frame named.
//   - A frame that was written in part is finished before anything else.
//   - An idle plain connection on a system with epoll has no goroutine and no
//     buffer: a conn, a member, and its places in two tables.
//   - No queue grows without bound: a room's log is bounded and overtakes the
//     members that lag too far, and a connection whose answers pile up, or
//     that has too many sends under way, is not read from until they are gone.
//   - Lock order: room.mu, then conn.mu, then roomLog.mu. Nothing blocks under them.
package live
