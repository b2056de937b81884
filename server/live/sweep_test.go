package live

import (
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/wire"
)

// TestAClockThatIsAheadEndsNobody: a connection's clocks may have been set a
// tick after the sweep took its own.
func TestAClockThatIsAheadEndsNobody(t *testing.T) {
	hub := &Hub{cfg: DefaultConfig(), metrics: newMetrics(prometheus.NewRegistry()), sched: newScheduler(), table: newTable(1)}
	const now, ahead = 5_000, 5_001
	for _, row := range []struct {
		name string
		conn *conn
	}{
		{"stalled", &conn{phase: open, armed: true, since: ahead}},
		{"closing", &conn{phase: closing, code: wire.CloseNormal, since: ahead}},
		{"open", &conn{phase: open}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := row.conn
			c.hub, c.link, c.expires = hub, &narrowLink{}, math.MaxInt64
			c.heard.Store(ahead)
			c.pinged.Store(ahead)
			phase := c.phase
			c.look(now, 0)
			if c.phase != phase || c.out != nil {
				t.Errorf("got phase %d and %v queued, want phase %d and nothing", c.phase, c.out, phase)
			}
		})
	}
}

// TestWhoIsNotReadIsNotSilent: what holds the reading of a connection is not its
// peer's silence.
func TestWhoIsNotReadIsNotSilent(t *testing.T) {
	hub := &Hub{cfg: DefaultConfig(), metrics: newMetrics(prometheus.NewRegistry()), sched: newScheduler()}
	for _, held := range []bool{true, false} {
		c := &conn{hub: hub, link: &narrowLink{}, expires: math.MaxInt64}
		if held {
			c.hold(holdQueue)
		}
		c.look(uint32(ticks(hub.cfg.SilenceTimeout))+1, 0)
		if closed := c.phase != open; closed == held {
			t.Errorf("got closed %t for a connection that is held %t", closed, held)
		}
	}
}

// TestTidyKeepsWhatIsNotWritten: a busy room's log goes back to what the slowest
// member has not been written, a quiet one's is given back.
func TestTidyKeepsWhatIsNotWritten(t *testing.T) {
	hub := &Hub{cfg: DefaultConfig(), metrics: newMetrics(prometheus.NewRegistry()), sched: newScheduler()}
	r := &room{hub: hub, id: 1}
	links := []*narrowLink{{room: -1}, {room: -1}}
	for i, l := range links {
		c := &conn{hub: hub, link: l}
		c.rooms = []*member{{conn: c, room: r, index: i}}
		r.members = append(r.members, c.rooms[0])
	}
	const messages = 2 << 20 / 1_000
	for seq := range bw.Seq(messages) {
		r.Deliver([]bw.Message{{Room: 1, Epoch: 1, Seq: seq + 1, Text: string(make([]byte, 100))}})
		if seq == messages/2 {
			links[1].room = 0 // takes no more
		}
		r.work()
	}
	slow := r.members[1].conn
	unwritten := int(r.log.end() - r.members[1].cursor)
	if held := r.tidy(quietRoom); held < unwritten || held > unwritten+2*maxSegment {
		t.Errorf("got %d bytes held, want the %d that a member has not been written", held, unwritten)
	}
	links[1].room = -1
	slow.flush(true)
	if held := r.tidy(quietRoom); held > 2*maxSegment {
		t.Errorf("got %d bytes held behind members who have been written all, want the last segment", held)
	}
	if held := r.tidy(0); held != 0 {
		t.Errorf("got %d bytes held in a quiet room, want none", held)
	}
	for i, l := range links {
		if got := len(l.frames()); got != messages {
			t.Errorf("got %d frames at member %d, want %d", got, i, messages)
		}
	}
}

// TestCrowdedLogsLetMembersLagLess: over the budget of all rooms' logs, a room
// keeps less for its slow members.
func TestCrowdedLogsLetMembersLagLess(t *testing.T) {
	hub := &Hub{cfg: DefaultConfig(), metrics: newMetrics(prometheus.NewRegistry()), sched: newScheduler()}
	hub.cfg.MaxLogBytes = 8 << 20
	var log roomLog
	fill := func() int {
		for range 100 {
			log.append(make([]byte, 64<<10), bw.Position{}, hub.maxLag())
		}
		return log.held()
	}
	roomy := fill()
	hub.logBytes.Store(8<<20 + 1)
	if crowded := fill(); roomy < hub.cfg.MaxLag || crowded > hub.cfg.MaxLag/2 {
		t.Errorf("got %d bytes kept within the budget and %d over it, want at least %d and much less", roomy, crowded, hub.cfg.MaxLag)
	}
}
