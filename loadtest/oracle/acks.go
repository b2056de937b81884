package oracle

import (
	"cmp"
	"fmt"
	"slices"
)

// checkAcks holds acks to name the place at which everybody gets the message, and an
// id's acks to name the same one, of which one only did the storing.
func checkAcks(f *facts, report func(finding)) {
	found(RuleAck)(f, report)
	for _, r := range f.roomList {
		before := acksBefore{map[sendKey]int{}, map[sendKey]int{}, map[position]sendKey{}}
		for _, i := range r.acks {
			if text := f.ackIsWrong(r, i, before); text != "" {
				report(finding{event: i, client: f.events[i].Client, room: r.id, text: text})
			}
		}
	}
}

// acksBefore are the acks of a room so far: the first of each message, the first that did
// not say duplicate, and whose each place is.
type acksBefore struct {
	first, storing map[sendKey]int
	named          map[position]sendKey
}

// ackIsWrong says what is, and adds the ack to those before.
func (f *facts) ackIsWrong(r *room, i int, before acksBefore) string {
	e := &f.events[i]
	key, here := f.keyOf(e), f.place(i)
	other, taken := before.named[here]
	before.named[here] = key
	first, repeated := before.first[key]
	if !repeated {
		before.first[key] = i
	}
	there := f.place(first)
	storing, stored := before.storing[key]
	if !e.Duplicate {
		before.storing[key] = i
	}
	place, seen := r.places[here]
	switch {
	case repeated && there != here && !f.mayBeTwice(key, there, here):
		return fmt.Sprintf("acked at %d:%d, and before at %d:%d", here.epoch, here.seq, there.epoch, there.seq)
	case stored && !e.Duplicate && f.place(storing) == here:
		return "acked a second time, and neither ack says that it is a duplicate"
	case taken && other != key:
		return fmt.Sprintf("acked at %d:%d, which %s of %s was, too", here.epoch, here.seq, other.id, other.user)
	case seen && (place.User != key.user || place.ID != key.id):
		return fmt.Sprintf("acked at %d:%d, where %s got %v", here.epoch, here.seq, f.who(place.event), place.Message)
	case !seen && f.onlyElsewhere(r, key, here):
		return fmt.Sprintf("acked at %d:%d, and got at %d:%d", here.epoch, here.seq, r.seen[key][0].epoch, r.seen[key][0].seq)
	}
	return ""
}

// onlyElsewhere tells whether a message was seen, but nowhere that lets it be here, too.
func (f *facts) onlyElsewhere(r *room, key sendKey, here position) bool {
	return len(r.seen[key]) > 0 && !slices.ContainsFunc(r.seen[key], func(p position) bool { return p == here || f.mayBeTwice(key, p, here) })
}

// keyOf is the message that an answer is about.
func (f *facts) keyOf(e *Event) sendKey {
	user := e.User
	if c := f.clients[e.Client]; c != nil {
		user = cmp.Or(c.user, user)
	}
	return sendKey{e.Room, user, e.ID}
}
