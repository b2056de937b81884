package crowd

import (
	"time"

	bw "github.com/breakwater-chat/breakwater"
)

// pending is a send that is not both acked and seen by its sender.
type pending struct {
	number   int
	intended time.Duration
	room     *room
	// written is set once it was written in the present life of the connection, tried once
	// it was in any.
	written, tried bool
	ackedAt        bw.Position // the zero value until the ack
	seenAt         bw.Position // the zero value until it was delivered to the sender
	done           bool
}

// maxPending bounds what a sender has on its way, with a server that answers nothing.
const maxPending = 10_000

// outbox is what one sender has on its way, in the order of numbers.
type outbox []pending

// find returns the send of that number, or nil.
func (o outbox) find(number int) *pending {
	if len(o) == 0 {
		return nil
	}
	i := number - o[0].number
	if i < 0 || i >= len(o) || o[i].done {
		return nil
	}
	return &o[i]
}

// settle ends a send and forgets those at the front that have ended.
func (o *outbox) settle(p *pending) {
	p.done = true
	n := 0
	for n < len(*o) && (*o)[n].done {
		n++
	}
	if *o = (*o)[n:]; len(*o) == 0 {
		*o = nil
	}
}
