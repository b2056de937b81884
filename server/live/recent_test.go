package live

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/server/playback"
	"github.com/breakwater-chat/breakwater/store"
)

// shortTail is a broker whose tail has only the newest messages, from a seq on.
type shortTail struct {
	broker.Broker
	from, head bw.Seq
}

func (b shortTail) Tail(_ context.Context, room bw.RoomID, after bw.Seq, limit int) (broker.Tail, error) {
	tail := broker.Tail{Head: bw.Position{Epoch: 1, Seq: b.head}, Complete: after+1 >= b.from}
	for seq := max(b.from, after+1, b.head+1-bw.Seq(limit)); seq <= b.head; seq++ {
		tail.Messages = append(tail.Messages, bw.Message{Room: room, Epoch: 1, Seq: seq})
	}
	return tail, nil
}

// sparse is a history that has these messages so far.
type sparse struct {
	history.History
	seqs []bw.Seq
}

func (h sparse) ReadPage(_ context.Context, q history.PageQuery) (history.Page, error) {
	page := history.Page{}
	for _, seq := range h.seqs {
		if q.Before != 0 && seq >= q.Before || q.After > 0 && seq <= q.After {
			continue
		}
		page.Messages = append(page.Messages, bw.Message{Room: q.Room, Epoch: 1, Seq: seq})
	}
	return page, nil
}

func seqsUpTo(last bw.Seq, without ...bw.Seq) (seqs []bw.Seq) {
	for seq := bw.Seq(1); seq <= last; seq++ {
		if !slices.Contains(without, seq) {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// TestPlaybackHasNoHoles: a history that lags behind the log costs messages at
// the beginning of a playback, never in its middle.
func TestPlaybackHasNoHoles(t *testing.T) {
	for _, row := range []struct {
		name    string
		history []bw.Seq
		since   bw.Seq // 0: no resume
		first   bw.Seq
		whole   bool
		resumed bool
	}{
		{"all of it is there", seqsUpTo(30), 0, 1, true, false},
		{"the newest are not there yet", seqsUpTo(29), 0, 31, false, false},
		{"one is not there yet", seqsUpTo(30, 20), 0, 21, false, false},
		{"the oldest is missing", seqsUpTo(30, 1), 0, 2, false, false},
		{"resumed over all", seqsUpTo(30), 5, 6, true, true},
		{"resumed over a hole", seqsUpTo(30, 20), 5, 21, false, false},
		{"resumed at a hole", seqsUpTo(30, 6), 5, 7, false, false},
		{"resumed behind the hole", seqsUpTo(30, 20), 25, 26, false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, log := DefaultConfig(), shortTail{from: 31, head: 40}
			hub := &Hub{
				cfg:     cfg,
				deps:    Deps{Broker: log, Playback: playback.New(playback.Config{Broker: log, History: sparse{seqs: row.history}, Registerer: prometheus.NewRegistry()})},
				metrics: newMetrics(prometheus.NewRegistry()), sched: newScheduler(), pages: make(chan struct{}, 1),
			}
			r := &room{hub: hub, id: 1, head: bw.Position{Epoch: 1, Seq: 40}}
			l := &narrowLink{room: -1}
			c := &conn{hub: hub, link: l}
			var since *bw.Position
			if row.since != 0 {
				since = &bw.Position{Epoch: 1, Seq: row.since}
			}
			recovered, joined, err := r.enter(t.Context(), c, "", since, store.Outcome{Users: 1})
			if err != nil || !joined || recovered != row.resumed {
				t.Fatalf("got recovered %t, joined %t, error %v; want recovered %t", recovered, joined, err, row.resumed)
			}
			c.flush(false)
			frame := l.frames()[0]
			var want []string
			for seq := row.first; seq <= 40; seq++ {
				m := bw.Message{Room: 1, Epoch: 1, Seq: seq}
				want = append(want, string(encode(&m).object[1:]))
			}
			if !strings.Contains(frame, `"messages":[`+strings.Join(want, ",")+`]`) {
				t.Errorf("got %s, want the messages from %d on", frame, row.first)
			}
			if r.recent.whole != row.whole {
				t.Errorf("got whole %t, want %t: the next join looks again where something may be missing", r.recent.whole, row.whole)
			}
		})
	}
}

// TestJoinedIsNoOlderThanPresence: the count in a joined frame is not the one
// from before the news that the others have been told.
func TestJoinedIsNoOlderThanPresence(t *testing.T) {
	hub := &Hub{cfg: DefaultConfig(), metrics: newMetrics(prometheus.NewRegistry()), sched: newScheduler()}
	r := &room{hub: hub, id: 1}
	r.presence.version = 20
	for _, row := range []struct {
		told    int // by version 20
		outcome store.Outcome
		want    string
	}{
		{7, store.Outcome{Users: 3, Version: 19}, `"users":7}`},
		{7, store.Outcome{Users: 3, Version: 21}, `"users":3}`},
		{0, store.Outcome{}, `"users":1}`}, // the others have left, and nobody can count
	} {
		r.presence.users = row.told
		l := &narrowLink{room: -1}
		c := &conn{hub: hub, link: l}
		r.begin(c, "", row.outcome)
		c.flush(false)
		if got := l.frames()[0]; !strings.HasSuffix(got, row.want) {
			t.Errorf("got %s with %+v behind %d users, want %s", got, row.outcome, row.told, row.want)
		}
	}
}

// TestAPlaybackCostsWhatItHolds: what a resume queues is counted as what it takes.
func TestAPlaybackCostsWhatItHolds(t *testing.T) {
	hub := &Hub{cfg: DefaultConfig(), metrics: newMetrics(prometheus.NewRegistry()), sched: newScheduler()}
	r := &room{hub: hub, id: 1}
	var playback []encoded
	for seq := range bw.Seq(500) {
		playback = append(playback, encode(&bw.Message{Room: 1, Epoch: 1, Seq: seq + 1, Text: strings.Repeat("x", 2*smallFrame)}))
	}
	c := &conn{hub: hub, link: &narrowLink{}}
	r.admit(c, "", true, store.Outcome{}, playback)
	held := 0
	for _, b := range c.out.bufs {
		held += cap(b)
	}
	if counted := int(hub.metrics.queued.Load()); held > counted*5/4 {
		t.Errorf("got %d bytes held for %d counted, want a quarter more at most", held, counted)
	}
}
