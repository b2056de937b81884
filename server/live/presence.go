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
	changes   map[bw.Name]change
	users     int
	version   int64
	// told is the count that the last frame had.
	told int
	// shown is who was in the frames before. Who has gone is told by the janitor's
	// server, who is back by another: the older news may come a frame after the newer.
	shown told[bw.Name]
}

// change is what became of a user since the last frame, by the oldest and the newest
// that was heard of him: several servers may tell of him, and in any order.
type change struct {
	oldest, newest move
}

// move is a user's coming or going.
type move struct {
	version int64
	came    bool
}

// add takes a notice in.
func (p *presence) add(n broker.Notice) {
	if p.changes == nil {
		p.changes = make(map[bw.Name]change)
	}
	note := func(name bw.Name, came bool) {
		m := move{n.PresenceVersion, came}
		c, ok := p.changes[name]
		if !ok || m.version < c.oldest.version {
			c.oldest = m
		}
		if !ok || m.version >= c.newest.version {
			c.newest = m
		}
		p.changes[name] = c
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

// take returns the names to show, in order, and whether there is news at all. Who came
// and went since the last frame did neither, and nothing is shown that is older than
// what was shown of him.
func (p *presence) take() (joined, left []bw.Name, changed bool) {
	for _, name := range slices.Sorted(maps.Keys(p.changes)) {
		c := p.changes[name]
		if c.oldest.came != c.newest.came {
			continue
		}
		if before, known := p.shown.note(name, c.newest.version); known && before > c.newest.version {
			continue
		}
		changed = true
		list := &left
		if c.newest.came {
			list = &joined
		}
		if len(*list) < maxNames {
			*list = append(*list, name)
		}
	}
	changed = changed || p.users != p.told
	p.changes, p.scheduled, p.told = nil, false, p.users
	return joined, left, changed
}
