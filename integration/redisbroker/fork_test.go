package redisbroker_test

import (
	"context"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/broker/redisbroker"
)

// rollback remembers a room as it is and gives what brings it back, as a
// fail-over to a replica that lags does.
func rollback(t *testing.T, room bw.RoomID) (restore func()) {
	t.Helper()
	ctx := context.Background()
	saved := map[string]string{}
	for _, kind := range []string{"meta", "tail"} {
		dump, err := raw.Dump(ctx, key(kind, room)).Result()
		if err != nil {
			t.Fatalf("save %s: %v", kind, err)
		}
		saved[key(kind, room)] = dump
	}
	return func() {
		for name, dump := range saved {
			if err := raw.RestoreReplace(ctx, name, 0, dump).Err(); err != nil {
				t.Fatalf("restore %s: %v", name, err)
			}
		}
	}
}

// A fail-over loses the newest messages. Whoever has seen them begins a new life,
// by a send, a read, a subscription or the check.
func TestRollbackBeginsANewLife(t *testing.T) {
	for _, test := range []struct {
		name  string
		touch func(*subject, bw.RoomID)
	}{
		{"send", func(s *subject, room bw.RoomID) {
			if a := s.send(room, "after"); a.Seq < 1<<20 {
				s.Errorf("ack of the send that follows: got %+v, want it in a new life", a)
			}
		}},
		{"tail", func(s *subject, room bw.RoomID) {
			if _, err := s.Tail(s.Context(), room, 0, 0); err != nil {
				s.Fatalf("tail: %v", err)
			}
		}},
		{"subscription", func(s *subject, room bw.RoomID) { s.listen(room) }},
		{"check", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := redisbroker.Config{CheckEvery: time.Hour}
			if test.touch == nil {
				cfg.CheckEvery = 100 * time.Millisecond
			}
			b, other := open(t, cfg), open(t, redisbroker.Config{CheckEvery: 100 * time.Millisecond})
			room := b.newRoom()
			l, far := b.listen(room), other.listen(room)
			b.send(room, "1")
			restore := rollback(t, room)
			seen := b.send(room, "2")
			l.upTo(seen.Position)
			far.upTo(seen.Position)
			restore()
			if test.touch != nil {
				test.touch(b, room)
			}
			eventually(t, "a new life", func() bool { return len(gaps(l.all())) > 0 })
			last := b.send(room, "3")
			if last.Epoch <= seen.Epoch || last.Seq <= seen.Seq+1<<20 {
				t.Errorf("ack after a rollback to before %+v: got %+v, want a new life", seen, last)
			}
			for _, l := range []*listener{l, far} {
				if got := gaps(l.upTo(last.Position)); len(got) != 1 || got[0].Epoch != last.Epoch || got[0].from != seen.Seq+1 {
					t.Errorf("gaps: got %+v, want one from %d into epoch %d", got, seen.Seq+1, last.Epoch)
				}
			}
		})
	}
}

// After a fail-over a server that has seen nothing gives a seq again. Who was
// delivered another message with it does not take the new one for a duplicate.
func TestForkIsNotADuplicate(t *testing.T) {
	b := open(t, redisbroker.Config{CheckEvery: time.Hour})
	room := b.newRoom()
	l := b.listen(room)
	b.send(room, "1")
	restore := rollback(t, room)
	seen := b.send(room, "lost")
	l.upTo(seen.Position)
	restore()
	// It knows nothing of the room, so nothing fences it.
	stranger := open(t, redisbroker.Config{CheckEvery: time.Hour})
	if again := stranger.send(room, "forked"); again.Position != seen.Position {
		t.Fatalf("ack of the stranger: got %+v, want the fork at %+v", again, seen)
	}
	eventually(t, "a new life", func() bool { return len(gaps(l.all())) > 0 })
	last := stranger.send(room, "2")
	if last.Epoch <= seen.Epoch || last.Seq <= seen.Seq+1<<20 {
		t.Errorf("ack after a fork: got %+v, want a new life after %+v", last, seen)
	}
	if got := gaps(l.upTo(last.Position)); len(got) != 1 || got[0].Epoch != last.Epoch {
		t.Errorf("gaps: got %+v, want one into epoch %d", got, last.Epoch)
	}
	if got := b.metric("lives_total"); got != 1 {
		t.Errorf("lives begun: got %v, want 1", got)
	}
}

// The log was rolled back and has grown to where it was, while the server was cut
// off: the number of the newest seq tells nothing, the newest message does.
func TestForkBehindACut(t *testing.T) {
	for _, grow := range []int{1, 3} {
		b := open(t, redisbroker.Config{CheckEvery: time.Hour})
		room := b.newRoom()
		l := b.listen(room)
		b.send(room, "1")
		restore := rollback(t, room)
		seen := b.send(room, "lost")
		l.upTo(seen.Position)
		restore()
		for range grow {
			storeSilently(t, room, "forked")
		}
		if err := raw.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Err(); err != nil {
			t.Fatalf("cut: %v", err)
		}
		eventually(t, "a new life", func() bool { return len(gaps(l.all())) > 0 })
		last := b.send(room, "2")
		if got := messages(l.upTo(last.Position)); len(got) != 3 || last.Epoch <= seen.Epoch {
			t.Errorf("delivered: got %+v, want 1, lost, and 2 in a new life", got)
		}
	}
}

// The tail has what the meta has forgotten: the next seq is above both.
func TestTailAheadOfItsMeta(t *testing.T) {
	b := open(t, redisbroker.Config{})
	room := b.newRoom()
	meta := raw.HGetAll(t.Context(), key("meta", room)).Val()
	last := b.send(room, "1")
	if err := raw.HSet(t.Context(), key("meta", room), meta).Err(); err != nil {
		t.Fatal(err)
	}
	stranger := open(t, redisbroker.Config{})
	if a := stranger.send(room, "2"); a.Epoch <= last.Epoch || a.Seq <= last.Seq+1<<20 {
		t.Errorf("ack: got %+v, want a new life after %+v", a, last)
	}
}
