package redisbroker

import (
	"context"
	"fmt"
	"slices"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// Tail implements broker.Broker. It reads the log itself, never what this
// process remembers of it.
func (b *Broker) Tail(ctx context.Context, room bw.RoomID, after bw.Seq, limit int) (broker.Tail, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*b.cfg.ReadTimeout)
	defer cancel()
	h, err := b.headOf(ctx, room)
	if err != nil {
		return broker.Tail{}, b.unavailable(err, "the room's log cannot be read now")
	}
	tail := broker.Tail{Head: h.Position, Begins: h.floor, Complete: after >= h.Seq}
	from := max(after+1, h.floor)
	if limit <= 0 || from > h.Seq {
		return tail, nil
	}
	tail.Messages, err = b.newestOf(ctx, room, from, h.Position, limit)
	if err != nil {
		return broker.Tail{}, b.unavailable(err, "the room's log cannot be read now")
	}
	tail.Complete = len(tail.Messages) > 0 && tail.Messages[0].Seq == after+1
	return tail, nil
}

// newestOf reads what is unbroken from a seq, at the earliest, up to the head.
func (b *Broker) newestOf(ctx context.Context, room bw.RoomID, from bw.Seq, to bw.Position, limit int) ([]bw.Message, error) {
	records, err := b.reads.XRevRangeN(ctx, b.keys.tail(room), entryID(to.Seq), entryID(from), int64(limit)).Result()
	if err != nil {
		return nil, fmt.Errorf("read the tail of room %d: %w", room, err)
	}
	messages := make([]bw.Message, 0, len(records))
	for _, record := range records {
		// What cannot be read is at no position.
		m, _, _ := decodeEntry(record)
		if m.Position() != to {
			break // what is older does not reach the head
		}
		messages = append(messages, m)
		to.Seq--
	}
	slices.Reverse(messages)
	return messages, nil
}
