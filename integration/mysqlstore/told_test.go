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
	// late counts the batches that touched it and were sent again: what they are
	// answered has the version of then, which may be later than its own.
	late int
}

type notice struct {
	version int64
	end     bool
}

func newTold() *told { return &told{presences: make(map[presence]*notices)} }

// add takes what a batch was answered, and whether it was sent again for that.
func (l *told) add(batch []store.Change, answer []store.Outcome, again bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counted := make(map[presence]bool)
	for i, c := range batch {
		p := presence{c.Room, c.User}
		if l.presences[p] == nil {
			l.presences[p] = &notices{}
		}
		n := l.presences[p]
		if again && !counted[p] {
			counted[p] = true
			n.late++
		}
		if answer[i].Changed {
			n.of = append(n.of, notice{answer[i].Version, c.Leave})
		}
	}
}

// check compares what was told with who is there in the end. There are as many
// beginnings as ends, and one more if he is there. In the order of the versions they
// take turns; what a batch that came late was told of it stands elsewhere in that
// order, which breaks it at two places.
func (l *told) check(t *testing.T, there func(presence) bool) {
	t.Helper()
	for p, n := range l.presences {
		// Those of one batch keep their order.
		slices.SortStableFunc(n.of, func(a, b notice) int { return cmp.Compare(a.version, b.version) })
		breaks, in, sum := 0, false, 0
		for _, o := range n.of {
			if o.end != in {
				breaks++
			}
			in = !o.end
			if in {
				sum++
			} else {
				sum--
			}
		}
		want := 0
		if there(p) {
			want = 1
		}
		if sum != want || breaks > 2*n.late {
			t.Errorf("user %d in room %d: got %d more beginnings than ends and %d out of turn, want %d and at most %d: %+v",
				p.user, p.room, sum, breaks, want, 2*n.late, n.of)
		}
	}
}
