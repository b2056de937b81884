package elastic_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/history/elastic"
)

const (
	million = 1_000_000
	bigRoom = bw.RoomID(1)
	bigSize = million / 2
	small   = 5000 // rooms that share the rest
	rounds  = 300
)

// BenchmarkMillion shows what reading costs among a million messages of two
// months, half of them in one room: each question is asked by turns, and
// compared with the newest page.
func BenchmarkMillion(b *testing.B) {
	h := open(b, migrated(b))
	load(b, h)
	questions := append(aboutPages(h), aboutWords(h)...)
	took := make([][]time.Duration, len(questions))
	for b.Loop() {
		for range rounds {
			for i, q := range questions {
				began := time.Now()
				must(b, q.name, q.ask())
				took[i] = append(took[i], time.Since(began))
			}
		}
	}
	names := make([]string, len(questions))
	for i, q := range questions {
		names[i] = q.name
	}
	report(b, names, took)
}

// question is one thing that is asked again and again, about another place each time.
type question struct {
	name string
	ask  func() error
}

func aboutPages(h history.History) []question {
	return []question{
		{"newest page", pages(h, func() history.PageQuery { return history.PageQuery{Room: bigRoom} })},
		{"page before, near the newest", pages(h, func() history.PageQuery {
			return history.PageQuery{Room: bigRoom, Before: bigSize - bw.Seq(rand.IntN(100))}
		})},
		{"page before, anywhere", pages(h, func() history.PageQuery {
			return history.PageQuery{Room: bigRoom, Before: 100 + bw.Seq(rand.IntN(bigSize-100))}
		})},
		{"page after, anywhere", pages(h, func() history.PageQuery {
			return history.PageQuery{Room: bigRoom, After: bw.Seq(rand.IntN(bigSize - 100))}
		})},
		{"the first page", pages(h, func() history.PageQuery { return history.PageQuery{Room: bigRoom, After: -1} })},
		{"newest page, a small room", pages(h, func() history.PageQuery { return history.PageQuery{Room: 2 + bw.RoomID(rand.IntN(small))} })},
	}
}

func aboutWords(h history.History) []question {
	return []question{
		{"search, a rare word", searches(h, func() history.SearchQuery {
			return history.SearchQuery{Terms: []history.Term{{rareWord(rand.IntN(million / 100))}}}
		})},
		{"search, a rare word of a room", searches(h, func() history.SearchQuery {
			return history.SearchQuery{Room: bigRoom, Terms: []history.Term{{rareWord(rand.IntN(million / 100))}}}
		})},
		{"search, a word of half", searches(h, func() history.SearchQuery {
			return history.SearchQuery{Terms: []history.Term{{"common"}}}
		})},
		{"the same, a page far down", searches(h, func() history.SearchQuery {
			return history.SearchQuery{Terms: []history.Term{{"common"}}, Cursor: fmt.Sprintf("%x.1.1.1", begin.UnixMilli()+rand.Int64N(span.Milliseconds()))}
		})},
		{"the same, within the big room", searches(h, func() history.SearchQuery {
			return history.SearchQuery{Room: bigRoom, Terms: []history.Term{{"common"}}}
		})},
		{"search, a phrase of common words", searches(h, func() history.SearchQuery {
			return history.SearchQuery{Terms: []history.Term{{"common", vocabulary[rand.IntN(20)]}}}
		})},
	}
}

// report prints the latencies side by side.
func report(b *testing.B, names []string, took [][]time.Duration) {
	b.Helper()
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-34s %10s %10s %14s\n", "", "p50", "p99", "p50 to newest")
	at := func(list []time.Duration, percent int) time.Duration { return list[(len(list)-1)*percent/100] }
	for i, list := range took {
		slices.Sort(list)
		ratio := float64(at(list, 50)) / float64(at(took[0], 50))
		fmt.Fprintf(&table, "%-34s %10v %10v %13.2fx\n", names[i],
			at(list, 50).Round(10*time.Microsecond), at(list, 99).Round(10*time.Microsecond), ratio)
	}
	fmt.Println(table.String()) // a log of a benchmark is cut short
	b.ReportMetric(float64(at(took[2], 50))/float64(at(took[1], 50)), "deep/near")
}

func pages(h history.History, next func() history.PageQuery) func() error {
	return func() error {
		q := next()
		q.Limit = 50
		p, err := h.ReadPage(context.Background(), q)
		if err == nil && len(p.Messages) < 50 {
			err = fmt.Errorf("page %+v has %d messages", q, len(p.Messages))
		}
		return err
	}
}

func searches(h history.History, next func() history.SearchQuery) func() error {
	return func() error {
		q := next()
		q.Limit = 20
		_, err := h.Search(context.Background(), q)
		return err
	}
}

var (
	begin      = time.Date(2026, 10, 20, 0, 0, 0, 0, time.UTC)
	span       = 30 * 24 * time.Hour
	vocabulary = strings.Fields("the quick brown fox jumps over a lazy dog while rain falls on old stone roofs and people talk about boats")
)

func rareWord(n int) string { return fmt.Sprintf("rare%d", n) }

// load stores the million, in the order of time.
func load(b *testing.B, h *elastic.History) {
	b.Helper()
	began := time.Now()
	r := rand.New(rand.NewPCG(1, 2))
	seqs := map[bw.RoomID]bw.Seq{}
	batch := make([]bw.Message, 0, 1000)
	for i := range million {
		room := bigRoom
		if i%2 != 0 {
			room = 2 + bw.RoomID(r.IntN(small))
		}
		seqs[room]++
		words := []string{rareWord(i / 100)}
		for range 5 + r.IntN(15) {
			words = append(words, vocabulary[r.IntN(len(vocabulary))])
		}
		if r.IntN(2) == 0 {
			words[r.IntN(len(words)-1)] = "common"
		}
		batch = append(batch, bw.Message{
			Room: room, Epoch: 5, Seq: seqs[room], ID: bw.MessageID(fmt.Sprintf("id-%d", i)), User: bw.Name(vocabulary[r.IntN(len(vocabulary))]),
			Text: strings.Join(words, " "), Timestamp: bw.MillisOf(begin.Add(span * time.Duration(i) / million)),
		})
		if len(batch) == cap(batch) {
			put(b, h, batch...)
			batch = batch[:0]
		}
	}
	show(b, h)
	took := time.Since(began)
	b.Logf("stored %d messages in %v, %.0f a second", million, took.Round(time.Second), million/took.Seconds())
}
