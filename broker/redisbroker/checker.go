package redisbroker

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/internal/ablation"
)

// doubt has a room compared with the log.
func (b *Broker) doubt(r *room, why cause) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// A reconnection asks for more than the others do.
	if why == causeReconnect && ablation.Off(ablation.Check) {
		return
	}
	if b.rooms[r.id] == r && b.doubts[r] != causeReconnect {
		b.doubts[r] = why
	}
	signal(b.doubted)
}

// check compares the followed rooms with the log: the doubted ones at once, all
// of them now and then, as a message may be lost without a sign.
func (b *Broker) check() {
	const afterFailure = 250 * time.Millisecond
	all := time.NewTimer(b.untilCheck())
	defer all.Stop()
	for {
		pause := rest
		select {
		case <-b.ctx.Done():
			return
		case <-b.doubted:
		case <-all.C:
			all.Reset(b.untilCheck())
			b.doubtAll()
			b.measureBacklog()
		}
		if !b.checkDoubts() {
			pause = afterFailure
		}
		select {
		case <-b.ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// untilCheck is spread, so that servers do not check in step.
func (b *Broker) untilCheck() time.Duration {
	fifth := b.cfg.CheckEvery / 5
	return b.cfg.CheckEvery - fifth + rand.N(2*fifth+1)
}

func (b *Broker) doubtAll() {
	if ablation.Off(ablation.Check) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.rooms {
		if _, doubted := b.doubts[r]; !doubted {
			b.doubts[r] = causeCheck
		}
	}
}

// checkDoubts reads where the doubted rooms are and tells them. It is false, and
// the doubts remain, when the log cannot be read.
func (b *Broker) checkDoubts() bool {
	const some = 256 // rooms in one pipeline
	b.mu.Lock()
	doubts := b.doubts
	b.doubts = map[*room]cause{}
	b.mu.Unlock()
	var asks []ask
	var rooms []*room
	works := true
	flush := func() {
		if !works || !b.checkRooms(asks, rooms, doubts) {
			works = false
			for _, r := range rooms {
				b.doubt(r, doubts[r])
			}
		}
		asks, rooms = asks[:0], rooms[:0]
	}
	for r := range doubts {
		asks = append(asks, ask{room: r.id, mode: modeRead, seen: b.seen.of(r.id)})
		if rooms = append(rooms, r); len(rooms) == some {
			flush()
		}
	}
	if len(rooms) > 0 {
		flush()
	}
	return works
}

func (b *Broker) checkRooms(asks []ask, rooms []*room, why map[*room]cause) bool {
	heads, err := b.heads(b.ctx, asks...)
	if err != nil {
		return false
	}
	for i, r := range rooms {
		switch h := heads[i]; {
		case h.err != nil:
			b.cfg.Logger.Warn("a room's log cannot be read", "room", int64(r.id), "error", h.err)
		case h.forgotten:
			b.renew(ask{room: r.id, mode: modeRenew})
		default:
			r.tell(h, why[r])
		}
	}
	return true
}

// backlog is what the feed has not settled, as of the last look.
type backlog struct {
	entries, parked atomic.Int64
	// oldest is an age in milliseconds.
	oldest atomic.Int64
}

// measureBacklog looks at all partitions; what it cannot see stays as it was.
func (b *Broker) measureBacklog() {
	ctx, cancel := context.WithTimeout(b.ctx, b.cfg.ReadTimeout)
	defer cancel()
	pipe := b.reads.Pipeline()
	var lengths, parked [partitions]*redis.IntCmd
	var oldest [partitions]*redis.XMessageSliceCmd
	for p := range partitions {
		lengths[p] = pipe.XLen(ctx, b.keys.log(p))
		parked[p] = pipe.XLen(ctx, b.keys.parked(p))
		oldest[p] = pipe.XRangeN(ctx, b.keys.log(p), "-", "+", 1)
	}
	now := pipe.Time(ctx)
	if _, err := pipe.Exec(ctx); err != nil {
		return
	}
	var entries, aside, age int64
	for p := range partitions {
		entries += lengths[p].Val()
		aside += parked[p].Val()
		for _, record := range oldest[p].Val() {
			if m, _, err := decodeEntry(record); err == nil {
				age = max(age, int64(bw.MillisOf(now.Val())-m.Timestamp))
			}
		}
	}
	b.backlog.entries.Store(entries)
	b.backlog.parked.Store(aside)
	b.backlog.oldest.Store(age)
}
