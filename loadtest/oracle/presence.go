package oracle

import (
	"fmt"
	"slices"
	"time"
)

// checkPresenceTwice holds that nobody is told to a member as come twice without having
// gone, or the other way round. What a member may have missed ends its memory.
func checkPresenceTwice(f *facts, report func(finding)) {
	for _, r := range f.roomList {
		for _, s := range r.stays {
			f.checkTwice(s, report)
		}
	}
}

func (f *facts) checkTwice(s *stay, report func(finding)) {
	told := map[string]notice{}
	var before time.Duration
	for _, n := range s.notices {
		e := &f.events[n.event]
		if s.blindIn(f, before, e.At) {
			clear(told)
		}
		before = e.At
		for _, user := range e.Names {
			if last, ok := told[user]; ok && last.came == n.came {
				report(finding{event: n.event, client: s.conn.client.name, room: s.room.id, text: fmt.Sprintf(
					"was told that %s %s, and had been told so at %s with nothing between", user, e.Kind, clock(f.events[last.event].At))})
			}
			told[user] = n
		}
	}
}

// blindIn tells whether a member may have missed a presence frame, or a name of one,
// in a time.
func (s *stay) blindIn(f *facts, from, to time.Duration) bool {
	n, _ := slices.BinarySearch(s.blind, from)
	return n < len(s.blind) && s.blind[n] <= to || f.excused(Unannounced, from, to)
}

// checkPresenceFalse holds that nobody is told gone who has stayed, or was back within
// the grace after his server's death, nor come who was not away.
func checkPresenceFalse(f *facts, report func(finding)) {
	for _, r := range f.roomList {
		byUser := map[string][]visit{}
		for user, stays := range r.byUser {
			byUser[user] = visits(stays)
		}
		for _, s := range r.stays {
			for _, n := range s.notices {
				e := &f.events[n.event]
				for _, user := range e.Names {
					if f.isTrue(n, e.At, byUser[user], r.byUser[user]) {
						continue
					}
					report(finding{event: n.event, client: s.conn.client.name, room: r.id, text: fmt.Sprintf(
						"was told that %s %s room %d, and he had not", user, e.Kind, r.id)})
				}
			}
		}
	}
}

// isTrue tells whether something that happened, or a server taken for dead, explains
// what was told of a user.
func (f *facts) isTrue(n notice, at time.Duration, list []visit, stays []*stay) bool {
	for i, v := range list {
		if n.came && v.asked-f.bounds.Skew <= at && at <= f.due(v.from, f.bounds.Grace)+f.bounds.Skew {
			return true
		}
		back := never
		if i+1 < len(list) {
			back = list[i+1].from
		}
		if !n.came && v.to != never && v.to-f.bounds.Skew <= at && at <= v.gone() && !f.cameBack(v, back) {
			return true
		}
	}
	return slices.ContainsFunc(stays, func(s *stay) bool {
		// A first join that had no answer may have been announced.
		unknown := s.joined < 0 && s.mayFrom <= at && at <= s.mayTo
		return unknown || s.from <= at && s.mayTo >= at && s.disturbed(f, at, at) && !s.lostServer(f)
	})
}

// checkPresenceMissed holds that who is in a room is told, once each, who comes and
// who is gone for good, if they stay so for longer than the telling may take.
func checkPresenceMissed(f *facts, report func(finding)) {
	for _, r := range f.roomList {
		told := make([]map[string][]notice, len(r.stays))
		for i, s := range r.stays {
			told[i] = f.toldOf(s)
		}
		for user, stays := range r.byUser {
			for _, x := range f.changes(visits(stays)) {
				for i, s := range r.stays {
					if s.conn.user == user || !f.hears(s, x) || f.isTold(told[i][user], x) {
						continue
					}
					report(finding{event: x.event, client: s.conn.client.name, room: r.id, text: fmt.Sprintf(
						"%s was not told by %s that %s %s room %d", s.conn.client.name, clock(x.until), user, x.kind(), r.id)})
				}
			}
		}
	}
}

// change is a coming or going that everybody in the room has to be told of in a time.
type change struct {
	event       int
	came        bool
	from, until time.Duration
}

func (c change) kind() Kind {
	if c.came {
		return Came
	}
	return Went
}

// changes are those of a user that nothing undoes before they are told.
func (f *facts) changes(list []visit) (all []change) {
	shown := time.Duration(-1) // since when the user is known to be gone
	for i, v := range list {
		next := never
		if i+1 < len(list) {
			next = list[i+1].asked
		}
		told, gone := f.due(v.from, f.bounds.Grace), v.gone()
		if told < v.to && shown < v.asked && !v.unsure(f, v.asked, told) {
			all = append(all, change{v.first.joined, true, v.asked - f.bounds.Skew, told})
		}
		if gone < next && told < v.to && !v.unsure(f, v.from, v.to) {
			all = append(all, change{v.last.ended, false, v.to - f.bounds.Skew, gone})
		}
		shown = gone
	}
	return all
}

// hears tells whether a member has to be told of a change: it was there all the time,
// and missed no frame.
func (f *facts) hears(s *stay, x change) bool {
	return s.joined >= 0 && s.from < x.from && s.to > x.until && x.until < f.end && !s.blindIn(f, x.from, x.until)
}

// toldOf are the notices of a member by the users that they name.
func (f *facts) toldOf(s *stay) map[string][]notice {
	told := map[string][]notice{}
	for _, n := range s.notices {
		for _, user := range f.events[n.event].Names {
			told[user] = append(told[user], n)
		}
	}
	return told
}

// isTold tells whether one of the notices is of the change.
func (f *facts) isTold(told []notice, x change) bool {
	return slices.ContainsFunc(told, func(n notice) bool {
		at := f.events[n.event].At
		return n.came == x.came && x.from <= at && at <= x.until
	})
}
