package live

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
)

func came(version int64, users int) broker.Notice {
	return broker.Notice{Joined: []bw.Name{"ann"}, Users: users, PresenceVersion: version}
}

func went(version int64, users int) broker.Notice {
	return broker.Notice{Left: []bw.Name{"ann"}, Users: users, PresenceVersion: version}
}

// What a frame says is what has become of a user since the last one, in whatever order
// the servers tell of it.
func TestPresenceIsToldAsItIs(t *testing.T) {
	for _, row := range []struct {
		name         string
		notices      []broker.Notice
		joined, left []bw.Name
		users        int
	}{
		{"he comes", []broker.Notice{came(1, 1)}, []bw.Name{"ann"}, nil, 1},
		{"he goes", []broker.Notice{went(1, 0)}, nil, []bw.Name{"ann"}, 0},
		{"he comes and goes", []broker.Notice{came(1, 1), went(2, 0)}, nil, nil, 0},
		{"he goes and comes back", []broker.Notice{went(1, 0), came(2, 1)}, nil, nil, 1},
		{"he goes, comes back, and goes", []broker.Notice{went(1, 0), came(2, 1), went(3, 0)}, nil, []bw.Name{"ann"}, 0},
		{"he is told of twice", []broker.Notice{came(1, 1), came(1, 1)}, []bw.Name{"ann"}, nil, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			for range 10 {
				var p presence
				for _, n := range row.notices {
					p.add(n)
				}
				joined, left, _ := p.take()
				if !slices.Equal(joined, row.joined) || !slices.Equal(left, row.left) || p.users != row.users {
					t.Fatalf("%+v: got %v joined, %v left and %d users, want %v, %v and %d", row.notices, joined, left, p.users, row.joined, row.left, row.users)
				}
				rand.Shuffle(len(row.notices), func(i, j int) { row.notices[i], row.notices[j] = row.notices[j], row.notices[i] })
			}
		})
	}
}

// Changes of one batch have one version; they are told in their order.
func TestPresenceOfOneBatch(t *testing.T) {
	var p presence
	p.add(came(1, 1))
	p.add(went(1, 0))
	if joined, left, changed := p.take(); changed || joined != nil || left != nil {
		t.Errorf("got %v joined and %v left, want nothing told", joined, left)
	}
}

// What is told of a user a frame after newer news of him is not shown any more.
func TestPresenceIsNotToldTooLate(t *testing.T) {
	var p presence
	for _, frame := range []struct {
		notices      []broker.Notice
		joined, left []bw.Name
	}{
		{[]broker.Notice{came(6, 1)}, []bw.Name{"ann"}, nil},
		{[]broker.Notice{went(5, 0)}, nil, nil},
		{[]broker.Notice{went(8, 0)}, nil, []bw.Name{"ann"}},
		{[]broker.Notice{came(7, 1)}, nil, nil},
		{[]broker.Notice{came(9, 1)}, []bw.Name{"ann"}, nil},
		{[]broker.Notice{went(9, 0)}, nil, []bw.Name{"ann"}}, // of the same batch
	} {
		for _, n := range frame.notices {
			p.add(n)
		}
		joined, left, _ := p.take()
		if !slices.Equal(joined, frame.joined) || !slices.Equal(left, frame.left) {
			t.Errorf("%+v: got %v joined and %v left, want %v and %v", frame.notices, joined, left, frame.joined, frame.left)
		}
	}
}

// A named notice is heard once, for as long as anybody may tell it again, and what is
// remembered of them is bounded.
func TestANamedNoticeIsHeardOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard told[int64]
		isNews := func(id int64) bool {
			_, known := heard.note(id, 0)
			return !known
		}
		for id := range int64(maxTolds) {
			if !isNews(id) {
				t.Fatalf("notice %d is not news", id)
			}
		}
		<-time.After(toldFor + time.Second)
		isNews(-1) // the others are the older generation now
		for _, id := range []int64{0, 17, maxTolds - 1} {
			if isNews(id) {
				t.Errorf("notice %d is news again after %v, want it remembered", id, toldFor)
			}
		}
		for id := range int64(3 * maxTolds) {
			isNews(maxTolds + id)
		}
		if n := len(heard.young) + len(heard.older); n > 2*maxTolds {
			t.Errorf("got %d names remembered, want %d at most", n, 2*maxTolds)
		}
		if !isNews(0) {
			t.Error("a name is remembered for ever, want it forgotten")
		}
	})
}
