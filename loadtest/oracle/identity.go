package oracle

import "fmt"

// checkTwoMessages holds a place in a room to have one message for everybody.
func checkTwoMessages(f *facts, report func(finding)) {
	for _, r := range f.roomList {
		for _, s := range r.deviating {
			first := r.places[position{s.Epoch, s.Seq}]
			report(f.sighted(r, s, fmt.Sprintf("got %v, where %s got %v", s.Message, f.who(first.event), first.Message)))
		}
	}
}

// checkTwoPositions holds a message to have one place in a room.
func checkTwoPositions(f *facts, report func(finding)) {
	for _, r := range f.roomList {
		first := map[sendKey]sighting{}
		for _, s := range r.distinct {
			key := sendKey{r.id, s.User, s.ID}
			before, known := first[key]
			if !known {
				first[key] = s
				continue
			}
			there, here := position{before.Epoch, before.Seq}, position{s.Epoch, s.Seq}
			if there != here && !f.mayBeTwice(key, there, here) {
				report(f.sighted(r, s, fmt.Sprintf("got %v, which %s got at %d:%d", s.Message, f.who(before.event), there.epoch, there.seq)))
			}
		}
	}
}

// checkOrigin holds every message to be as somebody sent it, before anybody got it.
func checkOrigin(f *facts, report func(finding)) {
	for _, r := range f.roomList {
		for _, s := range r.distinct {
			if sent, _ := f.origin(r.id, s.Message, f.events[s.event].At); !sent {
				report(f.sighted(r, s, fmt.Sprintf("got %v, which nobody had sent", s.Message)))
			}
		}
	}
}

// checkRefused holds a refusal for good to be one, in the log and in the index.
func checkRefused(f *facts, report func(finding)) {
	for _, r := range f.roomList {
		for _, s := range r.distinct {
			if _, refused := f.origin(r.id, s.Message, f.events[s.event].At); refused {
				report(f.sighted(r, s, fmt.Sprintf("got %v, whose sending was refused for good", s.Message)))
			}
		}
	}
	if _, ok := f.complete[Documents]; !ok {
		return
	}
	for i := range f.events {
		e := &f.events[i]
		if e.Kind != Document {
			continue
		}
		if _, refused := f.origin(e.Room, e.message(), e.At); refused {
			report(finding{event: i, room: e.Room, id: e.ID, text: fmt.Sprintf("%v is indexed, and its sending was refused for good", e.message())})
		}
	}
}

// sighted is a finding about a message that somebody got.
func (f *facts) sighted(r *room, s sighting, text string) finding {
	return finding{event: s.event, client: f.events[s.event].Client, room: r.id, text: text}
}

// who names the client of an event.
func (f *facts) who(event int) string {
	e := &f.events[event]
	return fmt.Sprintf("%s at %s", e.Client, clock(e.At))
}
