package live

import (
	"maps"
	"slices"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

// maxNames is how many names a presence frame holds each way.
const maxNames = 20

// presence collects who came and went between two presence frames of a room.
type presence struct {
	scheduled bool
	changes   map[bw.Name]bool // true: came
	users     int
	version   int64
	// told is the count that the last frame had.
	told int
}

// add takes a notice in. Who came and went since the last frame did neither.
func (p *presence) add(n broker.Notice) {
	if p.changes == nil {
		p.changes = make(map[bw.Name]bool)
	}
	note := func(name bw.Name, came bool) {
		if before, ok := p.changes[name]; ok && before != came {
			delete(p.changes, name)
			return
		}
		p.changes[name] = came
	}
	for _, name := range n.Joined {
		note(name, true)
	}
	for _, name := range n.Left {
		note(name, false)
	}
	if n.PresenceVersion >= p.version {
		p.version, p.users = n.PresenceVersion, n.Users
	}
}

// take returns the names to show, in order, and whether there is news at all.
func (p *presence) take() (joined, left []bw.Name, changed bool) {
	for _, name := range slices.Sorted(maps.Keys(p.changes)) {
		list := &left
		if p.changes[name] {
			list = &joined
		}
		if len(*list) < maxNames {
			*list = append(*list, name)
		}
	}
	changed = len(p.changes) > 0 || p.users != p.told
	p.changes, p.scheduled, p.told = nil, false, p.users
	return joined, left, changed
}
