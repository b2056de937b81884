package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// stored is what shows that a message is in the log: its ack, or, where no ack came,
// that somebody got it.
type stored struct {
	event int
	at    position
	id    string
}

// log is what is known to be in a room's log.
type log struct {
	byTime []stored
	byAt   []stored        // by position
	due    []time.Duration // by time: until when it has to be with the members; never falls
	head   []position      // by time: the highest position so far
}

func (f *facts) logOf(r *room) *log {
	l := &log{}
	for _, i := range r.acks {
		l.byTime = append(l.byTime, stored{i, f.place(i), f.events[i].ID})
	}
	got := map[sendKey]bool{}
	for _, s := range r.distinct {
		key := sendKey{r.id, s.User, s.ID}
		sent, refused := f.origin(r.id, s.Message, f.events[s.event].At)
		if sent && !refused && !got[key] && len(f.sends[key].acks) == 0 {
			got[key] = true
			l.byTime = append(l.byTime, stored{s.event, position{s.Epoch, s.Seq}, s.ID})
		}
	}
	slices.SortStableFunc(l.byTime, func(a, b stored) int { return cmp.Compare(a.event, b.event) })
	var due time.Duration
	var head position
	for _, x := range l.byTime {
		due = max(due, f.due(f.events[x.event].At, f.bounds.Grace))
		if x.at.behind(head) {
			head = x.at
		}
		l.due, l.head = append(l.due, due), append(l.head, head)
	}
	l.byAt = slices.Clone(l.byTime)
	slices.SortStableFunc(l.byAt, func(a, b stored) int { return a.at.compare(b.at) })
	return l
}

func (f *facts) place(event int) position {
	return position{f.events[event].Epoch, f.events[event].Seq}
}

// told says how it is known that a message is in the log.
func (f *facts) told(x stored) string {
	if f.events[x.event].Kind == Acked {
		return fmt.Sprintf("%s, acked at %d:%d", x.id, x.at.epoch, x.at.seq)
	}
	return fmt.Sprintf("%s, which %s got at %d:%d", x.id, f.who(x.event), x.at.epoch, x.at.seq)
}

// missing is the first message, by place, behind from and up to to, that was in the
// log before an event, that a member does not have, and that no loss excuses.
func (l *log) missing(f *facts, r *room, have *cover, from, to position, before int) (stored, bool) {
	first, _ := slices.BinarySearchFunc(l.byAt, from, func(x stored, p position) int {
		return cmp.Or(x.at.compare(p), -1)
	})
	for _, x := range l.byAt[first:] {
		if x.at.behind(to) {
			break
		}
		if x.event < before && !have.has(x.at) && !f.isLost(r, x) {
			return x, true
		}
	}
	return stored{}, false
}

// isLost tells whether a message may be gone: the log has lost something, and a new
// epoch says so.
func (f *facts) isLost(r *room, x stored) bool {
	return x.at.epoch < r.newest && f.excused(LogLost, f.events[x.event].At, f.end)
}

// checkLost holds what is in the log to be delivered to who is there: to who still is at
// the end, and to who has left by will later than a delivery may take.
func checkLost(f *facts, report func(finding)) {
	for _, r := range f.roomList {
		l := r.log
		for _, s := range r.stays {
			if s.joined < 0 || s.ended >= 0 && !s.byWill {
				continue // cut off: coming back it is judged again
			}
			n, _ := slices.BinarySearch(l.due, min(s.to, f.end))
			if n == 0 || !l.head[n-1].behind(s.far) {
				continue
			}
			last := len(f.events)
			if n < len(l.byTime) {
				last = l.byTime[n].event
			}
			if x, ok := l.missing(f, r, &cover{}, s.far, l.head[n-1], last); ok {
				report(finding{event: x.event, client: s.conn.client.name, room: r.id, text: fmt.Sprintf(
					"%s, who was in room %d on connection %d until %s, got messages up to %d:%d only, and not %s",
					s.conn.client.name, r.id, s.conn.number, clock(min(s.to, f.end)), s.far.epoch, s.far.seq, f.told(x))})
			}
		}
	}
}

// checkUnfetched holds that what a member was told that it misses can be had: it has
// fetched, or got in another way, everything of it that is in the log.
func checkUnfetched(f *facts, report func(finding)) {
	for _, r := range f.roomList {
		l := r.log
		told := map[*client]bool{}
		for _, s := range r.stays {
			c := s.conn.client
			if told[c] {
				continue
			}
			told[c] = true
			of := c.room(r.id)
			for _, x := range of.signals {
				if !f.stayed(r, c, f.due(f.events[x.event].At, f.bounds.Grace)) {
					continue
				}
				if m, ok := l.missing(f, r, &of.have, x.from, x.to, len(f.events)); ok {
					report(finding{event: x.event, client: c.name, room: r.id, text: fmt.Sprintf(
						"was told that it misses what is behind %d:%d up to %d:%d, and never got %s",
						x.from.epoch, x.from.seq, x.to.epoch, x.to.seq, f.told(m))})
				}
			}
		}
	}
}

// stayed tells whether a client was in the room at a time of the run, or after it.
func (f *facts) stayed(r *room, c *client, at time.Duration) bool {
	if at >= f.end {
		return false
	}
	return slices.ContainsFunc(r.stays, func(s *stay) bool { return s.conn.client == c && s.joined >= 0 && s.to > at })
}

// checkPlayback holds a first playback to have the newest messages, and a page to leave
// none out, of those that are known to be in the log.
func checkPlayback(f *facts, report func(finding)) {
	for _, r := range f.roomList {
		l := r.log
		for _, s := range r.stays {
			if s.joined >= 0 && !f.events[s.joined].Recovered {
				f.checkFirst(r, l, s.joined, report)
			}
		}
	}
	for i := range f.events {
		if e := &f.events[i]; e.Kind == Fetched && e.To > 0 {
			r := f.room(e.Room)
			f.checkPage(r, r.log, i, report)
		}
	}
}

func (f *facts) checkFirst(r *room, l *log, joined int, report func(finding)) {
	e := &f.events[joined]
	have := got(e)
	from := position{e.Epoch, max(e.Seq-f.bounds.Playback, 0)}
	if x, ok := l.missing(f, r, have, from, position{e.Epoch, e.Seq}, len(f.events)); ok {
		report(finding{event: joined, client: e.Client, room: r.id, text: fmt.Sprintf(
			"joined at %d:%d, and the playback is without %s", e.Epoch, e.Seq, f.told(x))})
	}
}

func (f *facts) checkPage(r *room, l *log, page int, report func(finding)) {
	e := &f.events[page]
	have := got(e)
	for _, x := range l.byTime {
		if f.events[x.event].At+f.bounds.Skew > e.asked() {
			break
		}
		if x.at.seq >= e.From && x.at.seq <= e.To && !have.has(x.at) && !f.isLost(r, x) {
			report(finding{event: page, client: e.Client, room: r.id, text: fmt.Sprintf(
				"was given a page from %d to %d without %s", e.From, e.To, f.told(x))})
			return
		}
	}
}

// got is what a playback or page holds.
func got(e *Event) *cover {
	var c cover
	for _, m := range e.Messages {
		c.add(m.Epoch, m.Seq, m.Seq)
	}
	if e.Kind == Joined && e.rangeOnly() {
		c.add(e.Epoch, e.From, e.To)
	}
	return &c
}
