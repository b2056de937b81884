package oracle

// received takes in a live message: it has to be the next.
func (f *facts) received(i int, e *Event, s *stay) {
	got := position{e.Epoch, e.Seq}
	switch {
	case got.epoch == s.at.epoch && got.seq == s.at.seq+1:
	case !got.behind(s.at):
		f.broken(RuleOrder, i, "got %d:%d after %d:%d", got.epoch, got.seq, s.at.epoch, s.at.seq)
	case got.epoch != s.at.epoch:
		f.broken(RuleHole, i, "got %d:%d after %d:%d, and was not told that an epoch began", got.epoch, got.seq, s.at.epoch, s.at.seq)
	default:
		f.broken(RuleHole, i, "got %d:%d after %d:%d, and was not told of a gap", got.epoch, got.seq, s.at.epoch, s.at.seq)
	}
	if got.behind(s.at) {
		s.at = got
	}
	f.has(i, s, e.message())
}

// has notes that a member has a message.
func (f *facts) has(i int, s *stay, m Message) {
	s.room.see(i, m)
	of := s.conn.client.room(s.room.id)
	of.have.add(m.Epoch, m.Seq, m.Seq)
	of.reach(position{m.Epoch, m.Seq})
}

// gap takes in that messages are not delivered: the gap has to begin where the
// member is.
func (f *facts) gap(i int, e *Event, s *stay) {
	to := position{e.Epoch, e.To}
	if e.From != s.at.seq+1 || e.To < e.From || e.Epoch < s.at.epoch {
		f.broken(RuleHole, i, "was told of a gap from %d to %d:%d, being at %d:%d", e.From, e.Epoch, e.To, s.at.epoch, s.at.seq)
	}
	s.room.newest = max(s.room.newest, e.Epoch)
	of := s.conn.client.room(e.Room)
	of.signals = append(of.signals, signal{i, s.at, to})
	of.reach(to)
	if to.behind(s.at) {
		s.at = to
	}
	s.blind = append(s.blind, e.At)
}

// joined takes in a playback.
func (f *facts) joined(i int, e *Event, c *conn) {
	if c.in[e.Room] != nil {
		f.broken(RuleRecord, i, "room %d is joined by a connection that is in it", e.Room)
		return
	}
	r, of := f.room(e.Room), c.client.room(e.Room)
	s := &stay{
		conn: c, room: r, joined: i, ended: -1, from: e.At, to: never,
		asked: e.asked(), at: position{e.Epoch, e.Seq},
	}
	if c.url == e.Room {
		s.asked, c.url = f.events[c.opened].At, 0
	}
	r.newest = max(r.newest, e.Epoch)
	c.in[e.Room] = s
	r.stays = append(r.stays, s)
	if e.Recovered {
		f.recovered(i, e, s, of)
	} else {
		f.playedBack(i, e, s, of)
	}
	of.reach(s.at)
	of.last, of.open = s, append(of.open, s)
}

// recovered judges a playback of everything behind Since.
func (f *facts) recovered(i int, e *Event, s *stay, of *clientRoom) {
	if reached, ok := of.reached[e.Epoch]; !ok || e.Since > reached {
		f.broken(RuleHole, i, "recovered since %d:%d, where the client never was", e.Epoch, e.Since)
	}
	last := position{e.Epoch, e.Since}
	for _, m := range e.Messages {
		f.follows(i, last, m)
		last = position{m.Epoch, m.Seq}
		f.has(i, s, m)
	}
	if e.rangeOnly() {
		if e.From != last.seq+1 {
			f.broken(RuleHole, i, "was played back from %d on after %d", e.From, last.seq)
		}
		of.have.add(e.Epoch, e.From, e.To)
		last.seq = e.To
	}
	f.arrives(i, last, s.at)
}

// follows judges a message of a recovery: no epoch begins inside of one.
func (f *facts) follows(i int, last position, m Message) {
	at := position{m.Epoch, m.Seq}
	switch {
	case !at.behind(last):
		f.broken(RuleOrder, i, "was played back %d:%d after %d:%d", m.Epoch, m.Seq, last.epoch, last.seq)
	case m.Epoch != last.epoch || m.Seq != last.seq+1:
		f.broken(RuleHole, i, "was played back %d:%d after %d:%d", m.Epoch, m.Seq, last.epoch, last.seq)
	}
}

// arrives judges where a playback ends.
func (f *facts) arrives(i int, last, at position) {
	if last != at {
		f.broken(RuleHole, i, "was played back up to %d:%d, and joined at %d:%d", last.epoch, last.seq, at.epoch, at.seq)
	}
}

// playedBack judges a playback of the newest messages, and notes what it leaves out
// of what a member of before has missed.
func (f *facts) playedBack(i int, e *Event, s *stay, of *clientRoom) {
	begin := s.at
	for n, m := range e.Messages {
		at := position{m.Epoch, m.Seq}
		if n == 0 {
			begin = position{m.Epoch, m.Seq - 1}
		} else if last := e.Messages[n-1]; m.Epoch == last.Epoch || !at.behind(position{last.Epoch, last.Seq}) || m.Seq <= last.Seq {
			f.follows(i, position{last.Epoch, last.Seq}, m)
		}
		f.has(i, s, m)
	}
	switch n := len(e.Messages); {
	case n > 0:
		last := position{e.Messages[n-1].Epoch, e.Messages[n-1].Seq}
		if e.Epoch <= last.epoch { // else an epoch has begun and has no message yet
			f.arrives(i, last, s.at)
		}
	case e.rangeOnly():
		begin.seq = e.From - 1
		of.have.add(e.Epoch, e.From, e.To)
		f.arrives(i, position{e.Epoch, e.To}, s.at)
	}
	if before := of.last; before != nil && !before.left(f) && begin.behind(before.at) {
		of.signals = append(of.signals, signal{i, before.at, begin})
	}
}

// left tells whether the client has left the room, and not only a connection.
func (s *stay) left(f *facts) bool { return s.ended >= 0 && f.events[s.ended].Kind == Left }

// rangeOnly tells whether a playback is given by its range.
func (e *Event) rangeOnly() bool { return len(e.Messages) == 0 && e.To > 0 }

// fetched takes in a page.
func (f *facts) fetched(i int, e *Event, c *conn) {
	r, of := f.room(e.Room), c.client.room(e.Room)
	for n, m := range e.Messages {
		if n > 0 && m.Seq <= e.Messages[n-1].Seq {
			f.broken(RuleOrder, i, "was given a page with %d:%d after %d:%d", m.Epoch, m.Seq, e.Messages[n-1].Epoch, e.Messages[n-1].Seq)
		}
		r.see(i, m)
		of.have.add(m.Epoch, m.Seq, m.Seq)
	}
}
