package broker

import (
	"context"

	bw "github.com/breakwater-chat/breakwater"
)

// Entry is a stored message on its way from the log into the durable history.
type Entry struct {
	// Key is the feed's own name of the entry.
	Key string
	bw.Message
}

// Feed hands out what is stored in the log of all rooms and not yet in the
// durable history. A broker whose log is the history has none.
//
// Each stored message is handed out at least once and to one consumer at a time;
// what a consumer has not settled when it dies goes to another one. Several
// servers may read one feed. Errors are *breakwater.Error of kind Unavailable.
type Feed interface {
	// Read returns up to limit entries, the oldest first as far as one consumer
	// can tell. It waits until there are some or ctx ends.
	Read(ctx context.Context, limit int) ([]Entry, error)
	// Settle forgets entries for good: their messages are in the history. Repeating
	// it changes nothing. An entry whose settling failed is handed out again.
	Settle(ctx context.Context, entries []Entry) error
	// Park puts an entry that can never be indexed aside, with the reason, where
	// an operator finds it; it is not handed out again. Nothing is lost by it.
	Park(ctx context.Context, e Entry, reason string) error
}
