package playback

import (
	"context"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/wire"
)

// world is a room, and what a broker and a history have of it.
type world struct {
	broker.Broker
	history.History
	said []bw.Message
	head bw.Position
	// begins is where the newest life begins; mute that the broker does not say so.
	begins bw.Seq
	mute   bool
	// tail is how many of the newest messages the broker has at most.
	tail                   int
	shown                  []bw.Message // what the history has
	brokerAway, historyOut bool
}

// Tail implements broker.Broker: it never crosses the beginning of a life.
func (w *world) Tail(_ context.Context, _ bw.RoomID, after bw.Seq, limit int) (broker.Tail, error) {
	if w.brokerAway {
		return broker.Tail{}, bw.Unavailablef(nil, "the broker is away")
	}
	tail := broker.Tail{Head: w.head, Begins: w.begins, Complete: after >= w.head.Seq}
	if w.mute {
		tail.Begins = 0
	}
	if limit == 0 {
		return tail, nil
	}
	for _, m := range w.said {
		if m.Seq > after && m.Epoch == w.head.Epoch {
			tail.Messages = append(tail.Messages, m)
		}
	}
	tail.Messages = tail.Messages[max(0, len(tail.Messages)-min(limit, w.tail)):]
	if len(tail.Messages) > 0 {
		tail.Complete = tail.Messages[0].Seq == after+1
	}
	return tail, nil
}

// ReadPage implements history.History.
func (w *world) ReadPage(_ context.Context, q history.PageQuery) (page history.Page, err error) {
	if w.historyOut {
		return page, bw.Unavailablef(nil, "the history is away")
	}
	page.Messages, page.More = answerTo(w.shown, q)
	return page, nil
}

// answerTo is what a history that has just these messages answers.
func answerTo(all []bw.Message, q history.PageQuery) (page []bw.Message, more bool) {
	if q.After != 0 {
		rest := slices.Clone(all)
		rest = slices.DeleteFunc(rest, func(m bw.Message) bool { return m.Seq <= q.After })
		return rest[:min(q.Limit, len(rest))], len(rest) > q.Limit
	}
	rest := slices.Clone(all)
	rest = slices.DeleteFunc(rest, func(m bw.Message) bool { return q.Before != 0 && m.Seq >= q.Before })
	return rest[max(0, len(rest)-q.Limit):], len(rest) > q.Limit
}

// Close and Healthy are of both contracts.
func (w *world) Close() error                  { return nil }
func (w *world) Healthy(context.Context) error { return nil }

func (w *world) whole() bool { return len(w.shown) == len(w.said) && !w.historyOut }

func (w *world) reader() *Reader {
	return New(Config{Broker: w, History: w, Registerer: prometheus.NewRegistry()})
}

func drawLimit(t *rapid.T) int {
	return rapid.OneOf(rapid.IntRange(1, 14), rapid.IntRange(90, 210)).Draw(t, "limit")
}

// drawWorld makes a room of some lives. What the history lacks of an older life
// is neither its first message nor its last: of those nobody could tell.
func drawWorld(t *rapid.T) *world {
	w := &world{mute: rapid.IntRange(0, 5).Draw(t, "mute") == 0}
	lives := rapid.IntRange(1, 3).Draw(t, "lives")
	var edges []bw.Seq
	for life := 1; life <= lives; life++ {
		w.begins = w.head.Seq + 1
		if life > 1 || rapid.IntRange(0, 3).Draw(t, "forgotten") == 0 {
			w.begins += drawJump(t, w.begins)
		}
		w.head = bw.Position{Epoch: bw.Epoch(life), Seq: w.begins - 1}
		least := min(1, lives-life)
		if w.mute {
			least = 1 // only a log that knows of a new life begins it without a message
		}
		for range max(least, drawSaid(t)) {
			w.head.Seq++
			w.said = append(w.said, bw.Message{Room: 1, Epoch: w.head.Epoch, Seq: w.head.Seq})
		}
		if life < lives {
			edges = append(edges, w.begins, w.head.Seq)
		}
	}
	w.tail = rapid.OneOf(rapid.IntRange(0, 14), rapid.IntRange(80, 220)).Draw(t, "tail")
	w.shown = w.said
	switch mode := rapid.SampledFrom([]string{"whole", "whole", "lags", "lags", "holes", "fails"}).Draw(t, "history"); {
	case mode == "fails":
		w.historyOut = true
	case mode == "whole" || w.mute:
	default:
		lag := bw.Seq(rapid.IntRange(0, 12).Draw(t, "lag"))
		w.shown = slices.DeleteFunc(slices.Clone(w.said), func(m bw.Message) bool {
			lacks := m.Seq > w.head.Seq-lag && m.Epoch == w.head.Epoch ||
				mode == "holes" && rapid.IntRange(0, 3).Draw(t, "lacks") == 0
			return lacks && !slices.Contains(edges, m.Seq)
		})
	}
	return w
}

// drawJump is how much is left out between two lives: little, or up to where a page
// begins, as the log in Redis does, or more.
func drawJump(t *rapid.T, from bw.Seq) bw.Seq {
	switch rapid.IntRange(0, 2).Draw(t, "jump") {
	case 0:
		return bw.Seq(rapid.IntRange(0, 6).Draw(t, "small jump"))
	case 1:
		return firstOf(pageOf(from)+int64(rapid.IntRange(1, 3).Draw(t, "pages"))) - from
	}
	return bw.Seq(rapid.IntRange(0, 250).Draw(t, "large jump"))
}

// drawSaid is how much is said: little, or about a page or two.
func drawSaid(t *rapid.T) int {
	return rapid.IntRange(0, 12).Draw(t, "said") + pageSize*rapid.SampledFrom([]int{0, 0, 0, 1, 2}).Draw(t, "pages said") -
		rapid.IntRange(0, 6).Draw(t, "fewer")
}

// interesting are the seqs up to three above the head where pages and lives begin and
// end, and some others.
func (w *world) interesting(t *rapid.T) (seqs []bw.Seq) {
	near := func(at bw.Seq) {
		for seq := max(1, at-2); seq <= min(at+2, w.head.Seq+3); seq++ {
			seqs = append(seqs, seq)
		}
	}
	for i, m := range w.said {
		if i == 0 || i == len(w.said)-1 || w.said[i+1].Epoch != m.Epoch || w.said[i-1].Epoch != m.Epoch {
			near(m.Seq)
		}
	}
	for page := range pageOf(max(1, w.head.Seq)) + 1 {
		near(lastOf(page))
	}
	for range 20 {
		seqs = append(seqs, bw.Seq(rapid.IntRange(1, int(w.head.Seq)+3).Draw(t, "seq")))
	}
	slices.Sort(seqs)
	return slices.Compact(seqs)
}

// checkAnswer holds an answer against what the room has: it is a part of it that
// begins, or ends, where it should, and says so if that is not all.
func checkAnswer(t *rapid.T, w *world, q history.PageQuery, page Page) {
	want, more := answerTo(w.said, q)
	if len(page.Messages) < len(want) && w.whole() {
		t.Fatalf("%+v: got %v though the history is whole, want %v", q, page.Messages, want)
	}
	checkPart(t, q, page, want, more)
}

// checkPart holds an answer against all that there is: it is a part of that.
func checkPart(t *rapid.T, q history.PageQuery, page Page, want []bw.Message, more bool) {
	got, missing := page.Messages, len(want)-len(page.Messages)
	if missing < 0 {
		t.Fatalf("%+v: got %v, want %v", q, got, want)
	}
	part := want[:len(got)]
	if q.After == 0 {
		part = want[missing:]
	}
	if !slices.Equal(got, part) {
		t.Fatalf("%+v: got %v, want %v or a part of it that goes as far", q, got, want)
	}
	// A page to go on behind has at least one message.
	if page.More != (more || missing > 0) || missing > 0 && len(got) == 0 {
		t.Fatalf("%+v: got more %t behind %v, want %v, more %t", q, page.More, got, want, more)
	}
	wantUnbroken(t, q, got)
}

func wantUnbroken(t *rapid.T, q history.PageQuery, got []bw.Message) {
	for i := 1; i < len(got); i++ {
		if !Follows(got[i].Position(), got[i-1].Position()) {
			t.Fatalf("%+v: got a hole behind %+v", q, got[i-1])
		}
	}
}

// TestPagesHaveNoHoles asks a reader for everything that can be asked of a room.
func TestPagesHaveNoHoles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		r := w.reader()
		limit := drawLimit(t)
		queries := []history.PageQuery{{Limit: limit}, {Limit: limit, After: wire.FromStart}}
		for _, seq := range w.interesting(t) {
			queries = append(queries, history.PageQuery{Limit: limit, Before: seq}, history.PageQuery{Limit: limit, After: seq})
		}
		for _, q := range queries {
			page, err := r.Page(t.Context(), q)
			switch {
			case err == nil && w.historyOut && page.More && len(page.Messages) > 0:
				// What is older is not to be had; nor can it be told that there is none.
				want, more := answerTo(w.said, q)
				page.More = more || len(want) > len(page.Messages)
				fallthrough
			case err == nil:
				checkAnswer(t, w, q, page)
			case bw.KindOf(err) != bw.Unavailable || w.whole():
				t.Fatalf("%+v: got %v", q, err)
			}
			if err == nil && w.whole() && len(w.said) > 0 && page.Epoch < w.said[len(w.said)-1].Epoch {
				t.Fatalf("%+v: got epoch %d", q, page.Epoch)
			}
		}
	})
}

// TestWalks reads a room as a client does, with the next of each answer.
func TestWalks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		w.brokerAway = rapid.IntRange(0, 9).Draw(t, "broker") == 0
		r := w.reader()
		limit := drawLimit(t)
		for _, q := range []history.PageQuery{{Limit: limit}, {Limit: limit, After: wire.FromStart}} {
			var read []bw.Message
			for pages := 0; ; pages++ {
				page, err := r.Page(t.Context(), q)
				if err != nil {
					if w.whole() {
						t.Fatalf("%+v: got %v", q, err)
					}
					break
				}
				if q.After != 0 {
					read = append(read, page.Messages...)
				} else {
					read = slices.Concat(page.Messages, read)
				}
				n := len(page.Messages)
				if !page.More || n == 0 {
					if !w.brokerAway && !slices.Equal(read, w.said) || w.whole() && len(read) != len(w.said) {
						t.Fatalf("got the end behind %v, want all of %v", read, w.said)
					}
					break
				}
				if pages > len(w.said) {
					t.Fatalf("got no end")
				}
				if q.After != 0 {
					q.After = page.Messages[n-1].Seq
				} else {
					q.Before = page.Messages[0].Seq
				}
			}
			if w.brokerAway { // where the newest life begins and ends nobody can tell
				wantUnbroken(t, q, read)
				continue
			}
			want := w.said[:min(len(read), len(w.said))]
			if q.After == 0 {
				want = w.said[len(w.said)-len(want):]
			}
			if !slices.Equal(read, want) {
				t.Fatalf("got %v, want a part of %v without a hole", read, w.said)
			}
		}
	})
}

// TestNewestAndMissedHaveNoHoles reads what joins need, before and behind each
// position of the room.
func TestNewestAndMissedHaveNoHoles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		r := w.reader()
		limit := drawLimit(t)
		for i := range len(w.said) + 1 {
			next := bw.Position{Epoch: w.head.Epoch, Seq: w.head.Seq + 1}
			if i < len(w.said) {
				next = w.said[i].Position()
			}
			read, begins, err := r.Newest(t.Context(), 1, next, limit)
			if err != nil {
				t.Fatalf("got %v", err)
			}
			want := w.said[max(0, i-limit):i]
			if n := len(read); n > len(want) || !slices.Equal(read, want[len(want)-n:]) || w.whole() && n < len(want) {
				t.Fatalf("got %v below %+v, want %v", read, next, want)
			}
			if begins && len(read) < i || w.whole() && !begins && len(read) == i && next.Seq == bw.Seq(i+1) {
				t.Fatalf("got begins %t with %d of %d", begins, len(read), i)
			}
		}
		for i := range len(w.said) + 1 {
			last := bw.Position{Epoch: 1, Seq: 0}
			if i > 0 {
				last = w.said[i-1].Position()
			} else if len(w.said) == 0 || w.said[0].Seq != 1 {
				continue // no client has a position before the first message of a room
			}
			read, err := r.Missed(t.Context(), 1, last, limit)
			if err != nil {
				t.Fatalf("got %v", err)
			}
			want := w.said[i:min(i+limit, len(w.said))]
			if n := len(read); n > len(want) || !slices.Equal(read, want[:n]) || w.whole() && n < len(want) {
				t.Fatalf("got %v behind %+v, want %v", read, last, want)
			}
		}
	})
}
