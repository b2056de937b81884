package redisbroker

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/ablation"
)

// fetchLimit is the number of records that one read of a tail brings for receivers.
const fetchLimit = 500

// catchUp brings the receivers to where the log has the room: what they miss
// comes from the tail, and what is not there any more is a gap.
func (r *room) catchUp(n *news) {
	at := r.cursor.at
	switch {
	case n.Epoch < at.Epoch:
		return // read before the new life
	case n.Epoch > at.Epoch:
		r.skip(bw.Position{Epoch: n.Epoch, Seq: n.floor - 1})
	case r.cursor.torn:
		r.tear()
		return
	case n.Seq <= at.Seq && (n.cause != causeReconnect || r.cursor.prints == nil):
		return
	}
	if ablation.Off(ablation.Refill) {
		r.cursor.jump(bw.Position{Epoch: n.Epoch, Seq: max(n.Seq, at.Seq)})
		return
	}
	r.b.metrics.resyncs.WithLabelValues(string(n.cause)).Inc()
	if err := r.fetch(n.Seq); err != nil && r.b.ctx.Err() == nil {
		r.b.cfg.Logger.Warn("the tail of a room cannot be read", "room", int64(r.id), "error", err)
		r.b.doubt(r, n.cause)
	}
}

// fetch delivers out of the tail up to a seq. It begins with the record that was
// delivered last: if that is another one now, the log has been rolled back and
// grown again.
func (r *room) fetch(to bw.Seq) error {
	for first := true; first || r.cursor.at.Seq < to; first = false {
		before := r.cursor.at
		records, err := r.b.fetchTail(r.id, before.Seq, to)
		if err != nil {
			return err
		}
		if r.fetched(records); r.cursor.torn {
			r.tear()
			return nil
		}
		if r.cursor.at == before && before.Seq < to {
			r.skip(bw.Position{Epoch: before.Epoch, Seq: to})
		}
	}
	return nil
}

// fetched delivers records of the tail. Between them, older ones may have left it.
func (r *room) fetched(entries []redis.XMessage) {
	var batch []bw.Message
	for _, entry := range entries {
		m, record, err := decodeEntry(entry)
		if err != nil || m.Epoch != r.cursor.at.Epoch {
			continue
		}
		if m.Seq > r.cursor.at.Seq+1 && !r.cursor.torn {
			r.deliver(batch)
			batch = nil
			r.skip(bw.Position{Epoch: m.Epoch, Seq: m.Seq - 1})
		}
		if r.cursor.take(&m, record) == follows {
			batch = append(batch, m)
		}
	}
	r.deliver(batch)
}

// tear has a new life begun because two messages had the same seq.
func (r *room) tear() {
	r.b.renew(ask{room: r.id, mode: modeFork, seen: sighting{Position: r.cursor.at}})
}

// fetchTail reads records for receivers, for a few rooms at a time.
func (b *Broker) fetchTail(room bw.RoomID, from, to bw.Seq) ([]redis.XMessage, error) {
	select {
	case b.fetching <- struct{}{}:
	case <-b.ctx.Done():
		return nil, b.ctx.Err()
	}
	defer func() { <-b.fetching }()
	ctx, cancel := context.WithTimeout(b.ctx, b.cfg.ReadTimeout)
	defer cancel()
	records, err := b.reads.XRangeN(ctx, b.keys.tail(room), entryID(from), entryID(to), fetchLimit).Result()
	if err != nil {
		return nil, fmt.Errorf("read the tail of room %d from %d: %w", room, from, err)
	}
	return records, nil
}

// entryID names the entry of a seq in a tail.
func entryID(seq bw.Seq) string { return strconv.FormatInt(int64(seq), 10) + "-0" }
