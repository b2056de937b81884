package client

import (
	"time"

	"github.com/breakwater-chat/breakwater/wire"
)

// How a client comes back; the package comment has the table.
const (
	backoffBase = 500 * time.Millisecond
	backoffCap  = 30 * time.Second
	// spread is for coming back at once when no drain window was announced.
	spread = time.Second
	// stable is how long a connection lasts until the backoff starts anew.
	stable = 10 * time.Second
)

// action is what a close code asks of a client.
type action int

const (
	actBackoff action = iota // come back later
	actAtOnce                // come back soon, within the drain window
	actRefresh               // come back with a fresh token
	actShrink                // come back without the message that was too big
	actStop                  // do not come back
)

// classify says what to do after a connection ended with a code, and the word
// for it. Codes that are not known go by their class.
func classify(code wire.CloseCode) (action, string) {
	reason := code.String()
	switch code {
	case wire.CloseTokenExpired, wire.CloseUnauthorized:
		return actRefresh, reason
	case wire.CloseFrameTooBig, wire.CloseMessageTooBig:
		return actShrink, wire.CloseFrameTooBig.String()
	case wire.CloseProtocolError, wire.CloseUnsupportedData, wire.CloseInvalidUTF8:
		return actStop, wire.CloseMalformedFrames.String()
	}
	switch code / 100 {
	case 40:
		return actStop, reason
	case 42:
		return actAtOnce, reason
	}
	if code < 4000 {
		reason = reasonNetwork
	}
	return actBackoff, reason
}

// fullJitter is anywhere in [0, min(cap, base·2^attempt)), so that clients which
// were lost together do not come back together.
func fullJitter(attempt int, random func() float64) time.Duration {
	limit := backoffCap
	if attempt < 20 { // far above the cap, far below an overflow
		limit = min(limit, backoffBase<<attempt)
	}
	return time.Duration(random() * float64(limit))
}
