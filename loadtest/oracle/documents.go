package oracle

import "fmt"

// documentKey is a message at a place.
type documentKey struct {
	sendKey
	position
}

// checkDocuments holds the index to be what was acked: each ack one document as it was
// sent, no message two, and of what was not acked only what may have been stored.
func checkDocuments(f *facts, report func(finding)) {
	byKey, byPlace, indexed := map[sendKey][]int{}, map[int64]map[position]int{}, map[documentKey]bool{}
	for i := range f.events {
		e := &f.events[i]
		if e.Kind != Document {
			continue
		}
		at := byPlace[e.Room]
		if at == nil {
			at = map[position]int{}
			byPlace[e.Room] = at
		}
		key := sendKey{e.Room, e.User, e.ID}
		if text := f.documentIsWrong(i, key, byKey[key], at); text != "" {
			report(finding{event: i, room: e.Room, id: e.ID, text: text})
		}
		byKey[key] = append(byKey[key], i)
		if _, taken := at[f.place(i)]; !taken {
			at[f.place(i)] = i
		}
		indexed[documentKey{key, f.place(i)}] = true
	}
	f.checkIndexed(indexed, report)
}

// checkIndexed holds each ack to have its document.
func (f *facts) checkIndexed(indexed map[documentKey]bool, report func(finding)) {
	for _, r := range f.roomList {
		told := map[sendKey]bool{}
		for _, i := range r.acks {
			e := &f.events[i]
			key := f.keyOf(e)
			if told[key] || indexed[documentKey{key, f.place(i)}] || f.isLost(r, stored{event: i, at: f.place(i)}) {
				continue
			}
			told[key] = true
			report(finding{event: i, client: e.Client, room: r.id, text: fmt.Sprintf(
				"%s was acked at %d:%d, and no document says so", e.ID, e.Epoch, e.Seq)})
		}
	}
}

// documentIsWrong says what is; same are the documents of the same message before it,
// at those of the same room by place.
func (f *facts) documentIsWrong(i int, key sendKey, same []int, at map[position]int) string {
	e := &f.events[i]
	here := f.place(i)
	sent, refused := f.origin(e.Room, e.message(), e.At)
	r := f.room(e.Room)
	first, seen := r.places[here]
	if other, taken := at[here]; taken {
		return fmt.Sprintf("%v is indexed where %v is", e.message(), f.events[other].message())
	}
	for _, other := range same {
		if !f.mayBeTwice(key, f.place(other), here) {
			return fmt.Sprintf("%v is indexed at %d:%d, too", e.message(), f.events[other].Epoch, f.events[other].Seq)
		}
	}
	switch {
	case refused:
		return "" // RuleRefused says so
	case !sent:
		return fmt.Sprintf("%v is indexed, and nobody had sent it", e.message())
	case seen && first.Message != e.message():
		return fmt.Sprintf("%v is indexed, where %s got %v", e.message(), f.who(first.event), first.Message)
	case !seen && f.onlyElsewhere(r, key, here):
		return fmt.Sprintf("%v is indexed, which was got at %d:%d", e.message(), r.seen[key][0].epoch, r.seen[key][0].seq)
	case !f.mayBeStored(key, here, e.Text):
		return fmt.Sprintf("%v is indexed, which no ack says", e.message())
	}
	return ""
}

// mayBeStored tells whether what clients know lets a message be at a place: an ack
// names it, or a try has neither an ack nor a refusal for good.
func (f *facts) mayBeStored(key sendKey, here position, text string) bool {
	s := f.sends[key]
	for _, i := range s.acks {
		if at := f.place(i); at == here || at.epoch != here.epoch && f.mayBeTwice(key, at, here) {
			return true
		}
	}
	if len(s.acks) > 0 {
		return false // the try that is not answered was a repetition
	}
	for _, a := range s.attempts {
		if f.events[a.event].Text == text && f.refusedFor(a) == "" {
			return true
		}
	}
	return false
}
