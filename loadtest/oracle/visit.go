package oracle

import "time"

// visit is a time in which a user was in a room without a break, by any of his
// connections.
type visit struct {
	asked, from, to time.Duration
	first           *stay
	last            *stay // whose end was the visit's, if it has one
}

// visits are those of a user, in order.
func visits(stays []*stay) (list []visit) {
	for _, s := range stays {
		if s.joined < 0 {
			continue
		}
		if n := len(list); n > 0 && s.from <= list[n-1].to {
			if s.to > list[n-1].to {
				list[n-1].to, list[n-1].last = s.to, s
			}
			continue
		}
		list = append(list, visit{asked: s.asked, from: s.from, to: s.to, first: s, last: s})
	}
	return list
}

// gone is until when it may take that a visit's end is told.
func (v visit) gone() time.Duration {
	if v.to == never {
		return never
	}
	return v.last.mayTo
}

// unsure tells whether the visit's last server may have been taken for dead in a time.
func (v visit) unsure(f *facts, from, to time.Duration) bool {
	return v.last.disturbed(f, from, to) && !v.last.lostServer(f)
}

// cameBack tells whether a visit that a server's death ended went on soon enough to be
// no loss.
func (f *facts) cameBack(v visit, back time.Duration) bool {
	return back != never && back-v.to < f.bounds.ReturnGrace && v.last.lostServer(f)
}
