// Package history is the contract of playback and search: reading the durable
// log of a room, page by page and by words.
package history

import (
	"context"

	bw "github.com/breakwater-chat/breakwater"
)

// PageQuery asks for up to Limit consecutive messages of a room. Before and
// After exclude their own seq; at most one of them is set (non-zero). With
// neither, the newest messages are meant; an After below zero (wire.FromStart)
// begins with the room's first message.
type PageQuery struct {
	Room   bw.RoomID
	Before bw.Seq
	After  bw.Seq
	Limit  int
}

// Page is an answer to a PageQuery, oldest message first.
type Page struct {
	Messages []bw.Message
	// More is true if the room has further messages beyond this page in the
	// direction of the query (older ones unless After was set).
	More bool
}

// SearchQuery asks for messages by their words. Zero fields do not narrow.
type SearchQuery struct {
	// Room 0 searches all rooms.
	Room bw.RoomID
	// Terms must all occur; each is a phrase of one or more words that must
	// stand next to each other. Matching ignores case. See ParseTerms.
	Terms []Term
	User  bw.Name
	// From and To bound the timestamp, both inclusive; 0 is open.
	From, To bw.Millis
	Limit    int
	// Cursor continues an earlier search, as its result said.
	Cursor string
}

// Term is a phrase: words in their order, lower-cased.
type Term []string

// Hit is a message that matches.
type Hit struct {
	bw.Message
	// Highlight is the text, HTML-escaped, with every matching word within
	// <em> and </em>.
	Highlight string
}

// SearchResult is an answer to a SearchQuery, newest message first.
type SearchResult struct {
	Hits []Hit
	// Total is the number of messages that match, over all pages.
	Total int
	// Cursor continues behind the last hit; empty when there is no more.
	Cursor string
}

// History reads the durable log. Errors are *breakwater.Error: Unavailable
// when the log cannot be read now, BadQuery for a cursor that is none.
type History interface {
	ReadPage(ctx context.Context, q PageQuery) (Page, error)
	Search(ctx context.Context, q SearchQuery) (SearchResult, error)
	Healthy(ctx context.Context) error
	Close() error
}
