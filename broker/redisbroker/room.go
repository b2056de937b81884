package redisbroker

import (
	"sync"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/internal/ablation"
)

// room is a followed room. What arrives for it goes into its inbox; a goroutine
// that lives as long as there is something hands it to the receivers.
type room struct {
	b  *Broker
	id bw.RoomID
	// calling is held while receivers are called: one call at a time. Nothing
	// else is locked under it, nor it under anything else.
	calling sync.Mutex

	// Guarded by Broker.mu.
	holders int
	// confirmed says that the subscription at hand brings the room's messages.
	confirmed bool

	mu sync.Mutex // guards the rest, but the cursor
	// inbox is what has arrived, bounded in bytes; overflowed says that something
	// had to be left out.
	inbox      []string
	inboxBytes int
	overflowed bool
	// news is where the log says that the room is.
	news *news
	// started says that there is a position to deliver from, working that the
	// goroutine runs, forgotten that the room is followed no more.
	started, working, forgotten bool
	// published is the newest position that was given to receivers.
	published bw.Position
	// subs is replaced, never changed, so that it can be walked without the lock.
	subs []*subscription

	// cursor belongs to the goroutine.
	cursor cursor
}

// news is a head that was read for a reason.
type news struct {
	head
	cause cause
}

// put adds what has arrived. It never waits: if it is too much, it is read again
// from the tail when the receivers are ready for it.
func (r *room) put(payload string) {
	size := len(payload)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.forgotten {
		return
	}
	if r.inboxBytes+size > r.b.cfg.InboxBytes || r.b.inboxBytes.Load()+int64(size) > int64(r.b.cfg.AllInboxBytes) {
		r.emptyInbox()
		r.overflowed = true
	} else if !r.overflowed {
		r.inbox = append(r.inbox, payload)
		r.inboxBytes += size
		r.b.inboxBytes.Add(int64(size))
	}
	r.wake()
}

// tell says where the log has the room.
func (r *room) tell(h head, why cause) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hear(h, why)
	r.wake()
}

// hear keeps the newest news. Called under mu.
func (r *room) hear(h head, why cause) {
	switch {
	case r.news == nil:
		r.news = &news{h, why}
	case !newer(r.news.Position, h.Position):
		r.news.head = h
	}
	// A reconnection asks for more than the others do.
	if why == causeReconnect {
		r.news.cause = why
	}
}

// forget ends the room: what still arrives for it is dropped.
func (r *room) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.emptyInbox()
	r.forgotten = true
}

// emptyInbox is called under mu.
func (r *room) emptyInbox() []string {
	inbox := r.inbox
	r.b.inboxBytes.Add(-int64(r.inboxBytes))
	r.inbox, r.inboxBytes = nil, 0
	return inbox
}

// wake starts the goroutine if it has something to do. Called under mu.
func (r *room) wake() {
	if r.started && !r.working {
		r.working = r.b.spawn(r.work)
	}
}

// work runs until there is nothing to do.
func (r *room) work() {
	for {
		r.mu.Lock()
		inbox, overflowed, told := r.emptyInbox(), r.overflowed, r.news
		r.overflowed, r.news = false, nil
		if len(inbox) == 0 && !overflowed && told == nil || r.b.ctx.Err() != nil {
			r.working = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		r.handOut(inbox)
		if told != nil {
			r.catchUp(told)
		}
		if overflowed {
			r.b.doubt(r, causeOverflow)
		}
	}
}

// handOut delivers what has arrived as far as it follows.
func (r *room) handOut(inbox []string) {
	var batch []bw.Message
	var notices []broker.Notice
	hole, forked := false, false
	for _, payload := range inbox {
		if len(payload) > 0 && payload[0] == kindNotice {
			if n, err := decodeNotice(r.id, payload); err == nil {
				notices = append(notices, n)
			}
			continue
		}
		m, err := decodeRecord(payload)
		if err != nil {
			continue // of a later version, or not ours: a message that it hides is found as a hole
		}
		switch r.cursor.take(&m, payload) {
		case follows:
			batch = append(batch, m)
		case ahead:
			if ablation.Off(ablation.Refill) {
				r.cursor.jump(m.Position())
				batch = append(batch, m)
				continue
			}
			hole = true
		case fork:
			forked = true
		case known:
		}
	}
	r.deliver(batch)
	for _, n := range notices {
		r.call(r.audience(), func(s *subscription) { s.receiver.Notify(n) })
	}
	if forked {
		r.tear()
	}
	if hole {
		r.b.doubt(r, causeHole)
	}
}

// deliver hands messages to the receivers, after whom the cursor is.
func (r *room) deliver(batch []bw.Message) {
	if len(batch) == 0 {
		return
	}
	newest := &batch[len(batch)-1]
	r.b.seen.raise(r.id, newest.Position(), newest.Timestamp)
	r.call(r.publish(newest.Position()), func(s *subscription) { s.deliver(batch) })
}

// skip moves to a position and tells that what is before cannot be delivered.
func (r *room) skip(to bw.Position) {
	from := r.cursor.at.Seq + 1
	r.cursor.jump(to)
	r.b.metrics.gaps.Inc()
	r.call(r.publish(to), func(s *subscription) { s.gap(to.Epoch, from, to.Seq) })
}

// publish makes a position the newest, and gives those who must be told. Who
// comes later begins behind it.
func (r *room) publish(at bw.Position) []*subscription {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.published = at
	return r.subs
}

func (r *room) audience() []*subscription {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.subs
}

// call calls the receivers of those subscriptions that are still open.
func (r *room) call(subs []*subscription, tell func(*subscription)) {
	r.calling.Lock()
	defer r.calling.Unlock()
	for _, s := range subs {
		if !s.closed && r.b.ctx.Err() == nil {
			tell(s)
		}
	}
}
