package indexer

import (
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// overhead is what an entry costs in memory beside its text, about.
const overhead = 256

// item is an entry that is held until it is settled, parked or given back.
type item struct {
	broker.Entry
	// fails counts how often the index refused it while it took others: that is
	// between the two of them, and others need not wait for it.
	fails int
	due   time.Time
	// err is what the last put of it brought; let go is that it is held no longer.
	err   error
	letGo bool
}

func (i *item) size() int { return len(i.Text) + overhead }

// pending are the items that are held, in the order in which they came.
type pending struct {
	items []*item
	keys  map[string]struct{}
	bytes int
}

// add takes entries that are not held yet: a feed may hand out again what takes long.
func (p *pending) add(entries []broker.Entry, now time.Time) {
	for _, e := range entries {
		if _, held := p.keys[e.Key]; held {
			continue
		}
		i := &item{Entry: e, due: now}
		p.keys[e.Key] = struct{}{}
		p.items = append(p.items, i)
		p.bytes += i.size()
	}
}

// drop forgets the items that were let go.
func (p *pending) drop() {
	kept := p.items[:0]
	for _, i := range p.items {
		if !i.letGo {
			kept = append(kept, i)
			continue
		}
		delete(p.keys, i.Key)
		p.bytes -= i.size()
	}
	clear(p.items[len(kept):])
	p.items = kept
}

// batch returns what is due, oldest first, as much as one batch may hold.
func (p *pending) batch(now time.Time, messages, bytes int) (batch []*item, full bool) {
	size := 0
	for _, i := range p.items {
		if i.due.After(now) {
			continue
		}
		if len(batch) > 0 && size+i.size() > bytes {
			return batch, true
		}
		size += i.size()
		if batch = append(batch, i); len(batch) == messages {
			return batch, true
		}
	}
	return batch, false
}

// nextDue is when the next item is due, false if there is none.
func (p *pending) nextDue() (at time.Time, ok bool) {
	for _, i := range p.items {
		if !ok || i.due.Before(at) {
			at, ok = i.due, true
		}
	}
	return at, ok
}

// oldest is the timestamp of the oldest message that is held, 0 for none.
func (p *pending) oldest() (at bw.Millis) {
	for _, i := range p.items {
		if at == 0 || i.Timestamp < at {
			at = i.Timestamp
		}
	}
	return at
}
