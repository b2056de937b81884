package breakwater

// RoomID names a room. Ids are positive, given in order of creation, and fit 31
// bits: the search index of the cluster keeps them as signed 32-bit integers.
type RoomID int64

// MaxRoomID is the largest id that a store may give.
const MaxRoomID RoomID = 1<<31 - 1

// Room is a place to talk, as stored.
type Room struct {
	ID        RoomID
	Name      Name
	CreatedAt Millis
}
