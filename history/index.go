package history

import (
	"context"
	"errors"

	bw "github.com/breakwater-chat/breakwater"
)

// ErrRejected says that the index will never take a message, however often it
// is put: it is not to be tried again, nor to hold others up.
var ErrRejected = errors.New("the index does not take this message")

// Index is a history that is filled from the log after the messages were acked.
// Pages and searches show a message some time after Put returned, a second or
// two at most.
type Index interface {
	History
	// Put stores messages. A message is named by its room, epoch and seq: putting
	// it again changes nothing, putting another one under its name is ErrRejected.
	// There is one error for each message: nil when it is durable, ErrRejected, or
	// anything else for one that may be tried again.
	Put(ctx context.Context, batch []bw.Message) []error
	// Newest is the position of the room's newest message that was ever put, with
	// nothing held back that Pages do not show yet; zero for a room without any.
	Newest(ctx context.Context, room bw.RoomID) (bw.Position, error)
}
