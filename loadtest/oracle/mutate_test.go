package oracle

import "slices"

func drop(w *world, i int) (History, string) {
	mutated := slices.Delete(slices.Clone(w.h), i, i+1)
	switch e := &w.h[i]; e.Kind {
	case List:
		return nil, "one look less"
	case Died:
		return nil, "a death only excuses"
	case Sent:
		return mutated, w.unheard(i)
	case Acked, Refused:
		return mutated, w.needsNoAnswer(i)
	case Fetched:
		return mutated, w.hadLater(i)
	case Received:
		if w.isLastOf(i, Received, Gap) && w.closedWithin(i) {
			return mutated, w.movedOn(i)
		}
	case Document:
		if w.rooms[e.Room].unacked[e.ID] {
			return nil, "what was never acked need not be indexed"
		}
	}
	return mutated, ""
}

func double(w *world, i int) (History, string) {
	mutated := slices.Insert(slices.Clone(w.h), i+1, w.h[i])
	switch e := &w.h[i]; e.Kind {
	case List, Fetched, Complete, Died:
		return nil, "the same look or fact again"
	case Sent:
		if e.Conn == 0 || w.closedWithin(i) {
			return nil, "another try, whose connection did not last until an answer was due"
		}
	}
	return mutated, ""
}

// unheard tells that nothing came of a send.
func (w *world) unheard(i int) string {
	for j := range w.h[i+1:] {
		e := &w.h[i+1+j]
		if e.ID == w.h[i].ID || slices.ContainsFunc(e.Messages, func(m Message) bool { return m.ID == w.h[i].ID }) {
			return ""
		}
	}
	return "a send that had no answer and was not stored"
}

// hadLater tells that a client got all of a page in a playback, too.
func (w *world) hadLater(i int) string {
	var have cover
	for _, e := range w.h {
		if e.Kind == Joined && e.Client == w.h[i].Client && e.Room == w.h[i].Room {
			for _, m := range e.Messages {
				have.add(m.Epoch, m.Seq, m.Seq)
			}
		}
	}
	for _, m := range w.h[i].Messages {
		if !have.has(position{m.Epoch, m.Seq}) {
			return ""
		}
	}
	return "a playback brought the page, too"
}

// closedWithin tells whether an event's connection ends before an answer is due.
func (w *world) closedWithin(i int) bool {
	e := &w.h[i]
	for _, x := range w.h[i:] {
		if x.Kind == Closed && x.Client == e.Client && x.Conn == e.Conn {
			return x.At <= e.At+testBounds().Grace
		}
	}
	return false
}

func (w *world) needsNoAnswer(i int) string {
	switch {
	case w.h[i].Conn == 0:
		return "a post has no time by which it is answered"
	case w.closedWithin(i):
		return "the connection ended before an answer was due"
	}
	return ""
}

// swap lets an event and the next of its client change places and times.
func swap(w *world, i int) (History, string) {
	e := &w.h[i]
	if e.Client == "" {
		return nil, ""
	}
	for j := i + 1; j < len(w.h); j++ {
		if w.h[j].Client != e.Client {
			continue
		}
		if !depends(e, &w.h[j]) {
			return nil, "the two do not depend on each other"
		}
		mutated := slices.Clone(w.h)
		mutated[i], mutated[j] = mutated[j], mutated[i]
		mutated[i].At, mutated[j].At = w.h[i].At, w.h[j].At
		mutated[i].Asked, mutated[j].Asked = 0, 0
		return mutated, ""
	}
	return nil, ""
}

// depends tells whether a has to come before b, where both are of one client.
func depends(a, b *Event) bool {
	if a.Conn != b.Conn {
		return false
	}
	switch a.Kind {
	case Connected, Sent:
		return a.Kind == Connected || (b.Kind == Acked || b.Kind == Refused) && a.Room == b.Room && a.ID == b.ID || b.Kind == Closed
	case Joined:
		return b.Kind == Closed || b.Room == a.Room && b.needsJoin()
	case Received, Gap:
		return b.Kind == Closed || b.Room == a.Room && (b.Kind == Received || b.Kind == Gap || b.Kind == Left)
	case Came, Went, Acked, Refused, Fetched, Left:
		return b.Kind == Closed || a.Kind == Left && b.Kind == Joined && a.Room == b.Room
	default:
		return false
	}
}

// needsJoin tells whether only members are told so.
func (e *Event) needsJoin() bool {
	return e.Kind == Received || e.Kind == Gap || e.Kind == Left || e.Kind == Came || e.Kind == Went
}

// delay moves an event to right before the end.
func delay(w *world, i int) (History, string) {
	last := len(w.h) - 1
	e := w.h[i]
	if i == last {
		return nil, ""
	}
	moved := e
	moved.At, moved.Asked = w.h[last].At, 0
	mutated := slices.Insert(slices.Delete(slices.Clone(w.h), i, i+1), last-1, moved)
	switch e.Kind {
	case Fetched:
		return nil, "a fetch may come late"
	case Died, Healed:
		return nil, "a death or a longer fault only excuses"
	case Document, Membership, Complete:
		return nil, "what was read last has no order"
	case Sent:
		if s := w.unheard(i); s != "" && e.Conn == 0 {
			return nil, s
		}
	case Acked, Refused:
		if e.Conn == 0 {
			return nil, "a post has no time by which it is answered"
		}
	case Received:
		if w.isLastOf(i, Received, Closed) {
			return nil, "who is there may be slow to take the last message"
		}
	case List:
		if slices.Equal(e.Names, w.users(e.Room)) {
			return nil, "the list is the same at the end"
		}
	}
	return mutated, ""
}

// isLastOf tells whether nothing of these kinds comes after an event, of the room or of
// the connection as a whole.
func (w *world) isLastOf(i int, kinds ...Kind) bool {
	return !slices.ContainsFunc(w.h[i+1:], func(e Event) bool {
		ofRoom := e.Room == 0 || e.Room == w.h[i].Room
		return e.Client == w.h[i].Client && e.Conn == w.h[i].Conn && ofRoom && slices.Contains(kinds, e.Kind)
	})
}

// movedOn tells that a client closed an old connection by will, before the delivery was
// due there: another one has brought it.
func (w *world) movedOn(i int) string {
	for _, e := range w.h[i:] {
		if e.Kind == Closed && e.Client == w.h[i].Client && e.Conn == w.h[i].Conn && e.Code == "1000" {
			return "the client closed the connection before the delivery was due on it"
		}
	}
	return ""
}
