package mysqlstore

import (
	"cmp"
	"slices"
	"sync"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// told is what all servers together were told of presences.
type told struct {
	mu        sync.Mutex
	presences map[presence]*notices
}

type presence struct {
	room bw.RoomID
	user bw.UserID
}

// notices are a presence's beginnings and ends.
type notices struct {
	of []notice
	// unanswered counts the batches that touched it and may have been its
	// beginning, its end, or one after the other, without anybody being told.
	unanswered int
}

type notice struct {
	version int64
	end     bool
}

func newTold() *told { return &told{presences: make(map[presence]*notices)} }

// add takes what a batch was answered; nil is no answer.
func (l *told) add(batch []store.Change, answer []store.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counted := make(map[presence]bool)
	for i, c := range batch {
		p := presence{c.Room, c.User}
		if l.presences[p] == nil {
			l.presences[p] = &notices{}
		}
		n := l.presences[p]
		switch {
		case answer == nil && !counted[p]:
			counted[p] = true
			n.unanswered++
		case answer != nil && answer[i].Changed:
			n.of = append(n.of, notice{answer[i].Version, c.Leave})
		}
	}
}

// check compares what was told with who is there in the end. In the order of the
// versions beginnings and ends take turns, but for those that were not answered:
// each of them can have been one that is missing.
func (l *told) check(t *testing.T, there func(presence) bool) {
	t.Helper()
	lost := 0
	for p, n := range l.presences {
		// Those of one batch keep their order.
		slices.SortStableFunc(n.of, func(a, b notice) int { return cmp.Compare(a.version, b.version) })
		missing, in := 0, false
		for _, o := range n.of {
			if o.end != in {
				missing++
			}
			in = !o.end
		}
		if in != there(p) {
			missing++
		}
		if missing > n.unanswered {
			t.Errorf("user %d in room %d: %d beginnings or ends were told twice or not at all, want at most %d: %+v",
				p.user, p.room, missing, n.unanswered, n.of)
		}
		lost += missing
	}
	t.Logf("%d beginnings or ends were told to nobody", lost)
}
