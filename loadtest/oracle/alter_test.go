package oracle

import "slices"

// alter makes a mutation of what changes a copy of an event. It says whether there was
// anything to change, and why that is no fault.
func alter(change func(w *world, i int, e *Event) (done bool, same string)) func(*world, int) (History, string) {
	return func(w *world, i int) (History, string) {
		mutated := slices.Clone(w.h)
		e := &mutated[i]
		e.Messages, e.Names = slices.Clone(e.Messages), slices.Clone(e.Names)
		done, same := change(w, i, e)
		if !done || same != "" {
			return nil, same
		}
		return mutated, ""
	}
}

func text(w *world, i int, e *Event) (bool, string) {
	switch {
	case len(e.Messages) > 0:
		e.Messages[i%len(e.Messages)].Text += "!"
	case e.Text != "":
		e.Text += "!"
	default:
		return false, ""
	}
	if e.Kind == Sent {
		return true, w.unseen(i)
	}
	return true, ""
}

// unseen tells that nobody got what was sent.
func (w *world) unseen(i int) string {
	again := slices.ContainsFunc(w.h[:i], func(e Event) bool { return e.Kind == Sent && e.ID == w.h[i].ID })
	stored := slices.ContainsFunc(w.rooms[w.h[i].Room].log, func(m Message) bool { return m.ID == w.h[i].ID })
	if stored && !again {
		return ""
	}
	return "nobody got it"
}

func user(w *world, i int, e *Event) (bool, string) {
	switch {
	case len(e.Messages) > 0:
		e.Messages[i%len(e.Messages)].User = "zed"
	case e.User == "":
		return false, ""
	default:
		e.User = "zed"
	}
	if e.Kind == Sent && e.Conn != 0 {
		return true, "a send's user is that of its connection"
	}
	if e.Kind == Sent && slices.ContainsFunc(w.h[:i], func(o Event) bool { return o.Client == e.Client }) {
		return true, "a client's user is that of its first event"
	}
	return true, ""
}

func seq(_ *world, i int, e *Event) (bool, string) {
	switch {
	case len(e.Messages) > 0:
		e.Messages[i%len(e.Messages)].Seq++
	case e.Seq == 0:
		return false, ""
	default:
		e.Seq++
	}
	return true, ""
}

func epoch(w *world, i int, e *Event) (bool, string) {
	switch {
	case e.Kind == Joined && !e.Recovered && !w.goesOn(i):
		return true, "an epoch may begin with a join, and this one is told nothing after it"
	case e.Kind == Gap && !w.goesOn(i):
		return true, "the gap may be the begin of an epoch, and the member is told nothing after it"
	case len(e.Messages) > 0 && e.Kind == Fetched:
		e.Messages[i%len(e.Messages)].Epoch++
	case e.Epoch == 0:
		return false, ""
	default:
		e.Epoch++
	}
	return true, ""
}

// goesOn tells whether what a connection is told next of a room's log is in the same epoch.
func (w *world) goesOn(i int) bool {
	for _, e := range w.h[i+1:] {
		if e.Client == w.h[i].Client && e.Conn == w.h[i].Conn && e.Room == w.h[i].Room {
			switch e.Kind {
			case Received, Gap:
				return e.Epoch == w.h[i].Epoch
			case Left:
				return false
			}
		}
	}
	return false
}

func id(w *world, i int, e *Event) (bool, string) {
	switch {
	case len(e.Messages) > 0:
		e.Messages[i%len(e.Messages)].ID += "x"
	case e.ID == "":
		return false, ""
	default:
		e.ID += "x"
	}
	if e.Kind == Sent {
		return true, w.unheard(i)
	}
	return true, ""
}

func otherRoom(w *world, i int, e *Event) (bool, string) {
	if e.Room == 0 {
		return false, ""
	}
	e.Room = 99
	if e.Kind == Sent {
		return true, w.unheard(i)
	}
	return true, ""
}

func code(_ *world, _ int, e *Event) (bool, string) {
	switch {
	case e.Kind != Refused:
		return false, ""
	case e.Code == "unavailable":
		e.Code = "rate_limited"
		return true, ""
	default:
		return true, "the other codes promise less"
	}
}

func names(_ *world, i int, e *Event) (bool, string) {
	switch {
	case len(e.Names) == 0 || e.Kind == Complete:
		return false, ""
	case e.Kind == List && i%2 == 0:
		e.Names = e.Names[1:]
	case e.Kind == List:
		e.Names = append(e.Names, "zed")
	default:
		e.Names[0] = "zed"
	}
	return true, ""
}

func ends(_ *world, i int, e *Event) (bool, string) {
	switch {
	case e.Kind == Gap && i%2 == 0:
		e.From++
	case e.Kind == Gap:
		e.From--
	case e.Kind == Joined && e.Recovered:
		e.Since++
	default:
		return false, ""
	}
	return true, ""
}

func recovered(_ *world, _ int, e *Event) (bool, string) {
	if e.Kind != Joined {
		return false, ""
	}
	if e.Recovered {
		return true, "a playback of all that is missing may be told as one of the newest"
	}
	e.Recovered = true
	if len(e.Messages) > 0 && e.Messages[0].Seq == 1 {
		return true, "the newest messages are all there are"
	}
	return true, ""
}

func server(_ *world, _ int, e *Event) (bool, string) {
	if e.Kind != Membership {
		return false, ""
	}
	e.Server = "z"
	return true, ""
}

func otherClient(_ *world, _ int, e *Event) (bool, string) {
	if e.Client == "" || e.Conn == 0 {
		return false, ""
	}
	if e.Kind == Fetched {
		return false, ""
	}
	e.Client = "zed"
	return true, ""
}
