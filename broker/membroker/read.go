package membroker

import (
	"context"
	"fmt"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// Tail implements broker.Broker. What is no longer in memory is read from the
// log.
func (b *Broker) Tail(ctx context.Context, id bw.RoomID, after bw.Seq, limit int) (broker.Tail, error) {
	r, err := b.holdKnown(ctx, id)
	if err != nil {
		return broker.Tail{}, b.unavailable(err, "the room's log cannot be read now")
	}
	defer b.letGo(r)

	b.mu.Lock()
	head := r.head
	from := max(after, head.Seq-bw.Seq(limit), 0)
	newest := r.tail.after(from)
	b.mu.Unlock()

	first := head.Seq + 1
	if len(newest) > 0 {
		first = newest[0].Seq
	}
	if from+1 < first {
		older, err := b.readRange(ctx, id, from, first-1)
		if err != nil {
			return broker.Tail{}, b.unavailable(err, "the room's log cannot be read now")
		}
		newest = append(older, newest...)
	}
	known := head.Seq + 1
	if len(newest) > 0 {
		known = newest[0].Seq
	}
	return broker.Tail{Head: head, Messages: newest, Complete: known <= max(after, 0)+1}, nil
}

// readRange reads the messages after one seq and up to another. Should the log
// have a hole there, only what lies behind it is given.
func (b *Broker) readRange(ctx context.Context, id bw.RoomID, after, to bw.Seq) ([]bw.Message, error) {
	messages, err := b.log.ReadAfter(ctx, id, after, int(to-after))
	if err != nil {
		return nil, fmt.Errorf("read room %d from seq %d to %d: %w", id, after+1, to, err)
	}
	// The log may have more than what is published.
	for len(messages) > 0 && messages[len(messages)-1].Seq > to {
		messages = messages[:len(messages)-1]
	}
	start := len(messages)
	for next := to; start > 0 && messages[start-1].Seq == next; next-- {
		start--
	}
	return messages[start:], nil
}
