package contract

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// TestAClockThatJumps moves the wall clock of a server under somebody who talks: the order
// and the times of a room go forward, and no connection is lost.
func TestAClockThatJumps(t *testing.T) {
	server, err := suite.Binary.WithClock().Launch(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	ada := newPersonAt(t, server.URL, "Ada")
	s := ada.join(ada.newRoom())
	var seq, timestamp int64
	for n, ahead := range []time.Duration{0, 10 * time.Minute, -10 * time.Minute, 0} {
		if err := server.SetClock(ahead); err != nil {
			t.Fatal(err)
		}
		request{method: "GET", base: server.URL, path: "/readyz"}.do(t).ok(http.StatusOK, nil)
		id := fmt.Sprint("said ", n)
		s.say(id, "hello")
		ack, _ := s.expectBoth("ack", "message")
		if ack.Seq != seq+1 || ack.Timestamp < timestamp {
			t.Errorf("clock %v ahead: got seq %d at %d, want %d at %d at least", ahead, ack.Seq, ack.Timestamp, seq+1, timestamp)
		}
		seq, timestamp = ack.Seq, ack.Timestamp
		s.say(id, "hello")
		if again := s.expect("ack"); !again.Duplicate || again.Seq != seq {
			t.Errorf("clock %v ahead: got %+v for the same id, want a duplicate of seq %d", ahead, again, seq)
		}
	}
}
