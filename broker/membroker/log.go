package membroker

import (
	"context"

	bw "github.com/breakwater-chat/breakwater"
)

// Log is the durable log under the broker. The broker is the only writer; it
// calls Commit from one goroutine and never while it loads or settles the head
// of a room of the batch. The other methods may be called from several
// goroutines at once.
type Log interface {
	// Head is a room's newest position and that message's timestamp. It makes
	// the room's epoch durably when the room has no log yet, and then says seq 0.
	Head(ctx context.Context, room bw.RoomID) (pos bw.Position, last bw.Millis, err error)
	// Commit stores the batch, all or nothing; it is durable when Commit returns
	// nil. After an error it may have been stored or not: the broker asks Head
	// before it gives the next seq. The batch is the broker's again afterwards.
	Commit(ctx context.Context, batch []bw.Message) error
	// FindSend finds the newest message that the user sent to the room under
	// that id at or after since.
	FindSend(ctx context.Context, room bw.RoomID, user bw.Name, id bw.MessageID, since bw.Millis) (bw.Message, bool, error)
	// ReadAfter reads up to limit messages with a larger seq, ascending.
	ReadAfter(ctx context.Context, room bw.RoomID, after bw.Seq, limit int) ([]bw.Message, error)
}
