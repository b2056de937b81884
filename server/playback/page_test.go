package playback

import (
	"slices"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/wire"
)

// said makes messages of a life with these seqs.
func said(epoch bw.Epoch, from, to bw.Seq) (all []bw.Message) {
	for seq := from; seq <= to; seq++ {
		all = append(all, bw.Message{Room: 1, Epoch: epoch, Seq: seq})
	}
	return all
}

// room has two lives, 1..10 and 101..120, of which the broker has the newest 10.
func room(lacks ...bw.Seq) *world {
	w := &world{
		said: slices.Concat(said(1, 1, 10), said(2, 101, 120)),
		head: bw.Position{Epoch: 2, Seq: 120}, begins: 101, tail: 10,
	}
	w.shown = slices.DeleteFunc(slices.Clone(w.said), func(m bw.Message) bool { return slices.Contains(lacks, m.Seq) })
	return w
}

func TestPage(t *testing.T) {
	whole, lags, behind := room(), room(116, 117, 118, 119, 120), room(105, 106)
	reborn, away, out, alone := room(101, 102, 103, 104, 105), room(), room(), room(5)
	away.brokerAway, out.historyOut, alone.brokerAway = true, true, true
	for _, row := range []struct {
		name          string
		w             *world
		before, after bw.Seq
		limit         int
		first, last   bw.Seq // 0: none
		more, fails   bool
	}{
		{"newest, of the tail", whole, 0, 0, 5, 116, 120, true, false},
		{"newest, over both", whole, 0, 0, 15, 106, 120, true, false},
		{"newest, over two lives", whole, 0, 0, 25, 6, 120, true, false},
		{"newest, all", whole, 0, 0, 30, 1, 120, false, false},
		{"newest, the history lags", lags, 0, 0, 15, 106, 120, true, false},
		{"newest, up to a hole", behind, 0, 0, 20, 107, 120, true, false},
		{"newest, up to the seam", reborn, 0, 0, 20, 106, 120, true, false},
		{"newest, without the history", out, 0, 0, 20, 111, 120, true, false},
		{"newest, without the broker", away, 0, 0, 20, 101, 120, true, false},
		{"before the head, the history lags", lags, 119, 0, 5, 114, 118, true, false},
		{"before a hole", behind, 107, 0, 5, 0, 0, false, true},
		{"before a seq in a hole", behind, 106, 0, 5, 0, 0, false, true},
		{"before what lacks at the seam", reborn, 106, 0, 5, 0, 0, false, true},
		{"before a life", whole, 101, 0, 5, 6, 10, true, false},
		{"before a seq between lives", whole, 50, 0, 10, 1, 10, false, false},
		{"before the first", whole, 1, 0, 5, 0, 0, false, false},
		{"before what is to come", whole, 500, 0, 5, 116, 120, true, false},
		{"before, without the broker", alone, 10, 0, 9, 6, 9, true, false},
		{"before a hole, without the broker", alone, 6, 0, 9, 0, 0, false, true},
		{"after, the history lags", lags, 0, 112, 10, 113, 120, false, false},
		{"after, where it has ended", lags, 0, 115, 3, 116, 118, true, false},
		{"after, to the end of the history", lags, 0, 112, 3, 113, 115, true, false},
		{"after, up to a hole", behind, 0, 101, 10, 102, 104, true, false},
		{"after, at a hole", behind, 0, 104, 10, 0, 0, false, true},
		{"after, in a hole that the tail fills", room(112, 113), 0, 112, 5, 113, 117, true, false},
		{"after, up to the seam", reborn, 0, 8, 5, 9, 10, true, false},
		{"after the end of a life", reborn, 0, 10, 5, 0, 0, false, true},
		{"after, over two lives", whole, 0, 8, 4, 9, 102, true, false},
		{"after a seq between lives", whole, 0, 50, 4, 101, 104, true, false},
		{"after the head", whole, 0, 120, 5, 0, 0, false, false},
		{"after the head, without the history", out, 0, 120, 5, 0, 0, false, false},
		{"after, of the tail, without the history", out, 0, 112, 5, 113, 117, true, false},
		{"after what the tail has, without the history", out, 0, 109, 5, 0, 0, false, true},
		{"from the start, without the broker", alone, 0, wire.FromStart, 9, 1, 4, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			page, err := row.w.reader().Page(t.Context(), history.PageQuery{Before: row.before, After: row.after, Limit: row.limit})
			if fails := bw.KindOf(err) == bw.Unavailable; fails != row.fails || err != nil && !fails {
				t.Fatalf("got %v, want unavailable %t", err, row.fails)
			}
			want := slices.Clone(row.w.said)
			want = slices.DeleteFunc(want, func(m bw.Message) bool { return m.Seq < row.first || m.Seq > row.last })
			if !slices.Equal(page.Messages, want) || page.More != row.more {
				t.Errorf("got %v, more %t; want %v, more %t", page.Messages, page.More, want, row.more)
			}
			epoch := bw.Epoch(2)
			if n := len(page.Messages); row.w.brokerAway && n > 0 {
				epoch = page.Messages[n-1].Epoch // who reads older ones does not learn of newer lives
			}
			if !row.fails && page.Epoch != epoch {
				t.Errorf("got epoch %d, want %d", page.Epoch, epoch)
			}
		})
	}
}
