package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// checkLists holds user lists to be who is there: a list may be off only by those who
// came, went or were cut off less than the allowed time before it.
func checkLists(f *facts, report func(finding)) {
	for i := range f.events {
		e := &f.events[i]
		if e.Kind != List {
			continue
		}
		var wrong []string
		if missing := f.unlisted(e); len(missing) > 0 {
			wrong = append(wrong, "lacks "+named(missing)+", who had been there for long enough")
		}
		if extra := f.overlisted(e); len(extra) > 0 {
			wrong = append(wrong, "has "+named(extra)+", who had not been there for long enough")
		}
		if len(wrong) > 0 {
			report(finding{event: i, room: e.Room, text: fmt.Sprintf("the user list of room %d %s", e.Room, strings.Join(wrong, ", and "))})
		}
	}
}

// unlisted are those who have to be in a list and are not.
func (f *facts) unlisted(e *Event) (missing []string) {
	users := f.room(e.Room).byUser
	for _, user := range slices.Sorted(maps.Keys(users)) {
		there := func(s *stay) bool {
			return s.sureFrom <= e.asked() && s.sureTo >= e.At && !s.disturbed(f, e.asked(), e.At)
		}
		if !slices.Contains(e.Names, user) && slices.ContainsFunc(users[user], there) {
			missing = append(missing, user)
		}
	}
	return missing
}

// overlisted are those who are in a list and may not be, or twice.
func (f *facts) overlisted(e *Event) (extra []string) {
	names, users := slices.Sorted(slices.Values(e.Names)), f.room(e.Room).byUser
	for n, name := range names {
		twice := n > 0 && names[n-1] == name
		if twice || !mayBeThere(users[name], e.asked(), e.At) {
			extra = append(extra, name)
		}
	}
	return extra
}

// mayBeThere tells whether a user may be counted in a room at some moment of a time.
func mayBeThere(stays []*stay, from, to time.Duration) bool {
	return slices.ContainsFunc(stays, func(s *stay) bool { return s.mayFrom <= to && s.mayTo >= from })
}

// checkMemberships holds the rows that MySQL has at the end to be the connections that
// are open then, each once.
func checkMemberships(f *facts, report func(finding)) {
	read := f.complete[Memberships]
	at := f.events[read].At
	matched := map[*stay]bool{}
	for i := range f.events {
		e := &f.events[i]
		if e.Kind != Membership {
			continue
		}
		if s := f.rowOf(e, at, matched); s != nil {
			matched[s] = true
			continue
		}
		report(finding{event: i, room: e.Room, text: fmt.Sprintf("a row of %s in room %d on server %q, for which there is no connection", e.User, e.Room, e.Server)})
	}
	for _, r := range f.roomList {
		for _, s := range r.stays {
			if !matched[s] && s.sureAt(at) {
				report(finding{event: read, client: s.conn.client.name, room: r.id, text: fmt.Sprintf(
					"no row of %s in room %d, where connection %d of %s is", s.conn.user, r.id, s.conn.number, s.conn.client.name)})
			}
		}
	}
}

func (s *stay) sureAt(at time.Duration) bool { return s.sureFrom <= at && s.sureTo >= at }

// rowOf finds the connection that a row is for: one that must be there before one that
// may, and one of the row's server before one whose server is not known.
func (f *facts) rowOf(e *Event, at time.Duration, matched map[*stay]bool) (best *stay) {
	worth := 0
	for _, s := range f.room(e.Room).byUser[e.User] {
		onServer := e.Server != "" && s.conn.server == e.Server
		fits := onServer || e.Server == "" || s.conn.server == ""
		if matched[s] || !fits || !mayBeThere([]*stay{s}, at, at) {
			continue
		}
		value := 1
		if s.sureAt(at) {
			value += 2
		}
		if onServer {
			value++
		}
		if value > worth {
			best, worth = s, value
		}
	}
	return best
}
