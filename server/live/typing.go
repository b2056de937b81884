package live

import (
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// maxTyped bounds who is remembered to have typed; when it is reached, those
// whose time is over are forgotten.
const maxTyped = 256

// mayType tells whether the room would show that the user types.
func (r *room) mayType(user bw.Name) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.typed[user]) >= r.hub.cfg.TypingInterval
}

// showTyping tells the members other than the user's own that he types. It is
// a frame of the room's log like any other, which his own connections skip.
func (r *room) showTyping(user bw.Name) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Sub(r.typed[user]) < r.hub.cfg.TypingInterval {
		return // his other connection, maybe on another server, came first
	}
	if len(r.typed) >= maxTyped {
		for name, at := range r.typed {
			if now.Sub(at) >= r.hub.cfg.TypingInterval {
				delete(r.typed, name)
			}
		}
		if len(r.typed) >= maxTyped {
			r.hub.metrics.drops.WithLabelValues(dropTyping).Inc()
			return
		}
	}
	if r.typed == nil {
		r.typed = make(map[bw.Name]time.Time)
	}
	r.typed[user] = now
	frame := textFrame(wire.AppendTyping(nil, r.id, user))
	// The skips stand before the frame does, or a flush could come between.
	start := r.log.end()
	for _, m := range r.members {
		if m.conn.name == user {
			m.conn.mu.Lock()
			m.skips = append(m.skips, span{start: start, end: start + uint64(len(frame))})
			m.conn.mu.Unlock()
		}
	}
	r.append(frame)
}
