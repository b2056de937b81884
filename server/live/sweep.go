package live

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/breakwater-chat/breakwater/server/admission"
	"github.com/breakwater-chat/breakwater/wire"
)

// tickLength is the unit of the connections' clocks; in each tick the sweep
// looks at one in sweepParts of the connections, so that pings are spread.
const (
	tickLength = 10 * time.Millisecond
	sweepEvery = admission.OverloadLook
	sweepParts = 5
)

// tick is the time since the hub began, in tickLength; it lasts 497 days, and
// differences stay right beyond.
func (h *Hub) tick() uint32 { return uint32(time.Since(h.started) / tickLength) }

// elapsed is the time between two ticks, in tickLength; negative if the second
// was taken first, as another goroutine's may be.
func elapsed(now, then uint32) int32 { return int32(now - then) }

func ticks(d time.Duration) int32 { return int32(d / tickLength) }

// sweep looks after pings, silence, stalls, expired tokens, empty rooms and the
// server's standing.
func (h *Hub) sweep() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	var trim trimmer
	last, lapsed := h.tick(), 0
	for part := 0; ; part = (part + 1) % sweepParts {
		select {
		case <-ticker.C:
		case <-h.ctx.Done():
			return
		}
		now, clock := h.tick(), time.Now().Unix()
		if elapsed(now, last) > ticks(stopped) {
			h.forgive(now)
		}
		last = now
		h.overload.Look(time.Now())
		// Counted, not timed: what the process was stopped does not count.
		if lapsed++; h.deps.Lease.Standing() {
			lapsed = 0
		}
		if lapsed > int(h.cfg.FencedLimit/sweepEvery) {
			h.sendElsewhere()
		}
		for c := range h.table.part(part, sweepParts) {
			c.look(now, clock)
		}
		h.closeEmptyRooms()
		h.tidyRooms()
		trim.look(h.nextID.Load())
	}
}

// stopped is after how long without a sweep the process must have been stopped.
const stopped = 5 * time.Second

// forgive starts the clocks of all connections again: a process that was stopped
// has heard nobody, and what they said meanwhile is still to be read.
func (h *Hub) forgive(now uint32) {
	for c := range h.table.all() {
		c.heard.Store(now)
		c.mu.Lock()
		c.since = now
		c.mu.Unlock()
	}
}

// sendElsewhere closes all connections of a server that cannot get its place back.
func (h *Hub) sendElsewhere() {
	for c := range h.table.all() {
		c.closeWith(wire.CloseFenced, "")
	}
}

// quietRoom is after how much quiet a room gives the last of its log back.
const quietRoom = time.Second

func (h *Hub) tidyRooms() {
	h.mu.Lock()
	rooms := make([]*room, 0, len(h.rooms))
	for _, r := range h.rooms {
		rooms = append(rooms, r)
	}
	h.mu.Unlock()
	held := 0
	for _, r := range rooms {
		held += r.tidy(quietRoom)
	}
	h.logBytes.Store(int64(held))
	h.metrics.logBytes.Set(float64(held))
}

// crowdedLag is the part of MaxLag that is left to a member while the logs of
// all rooms together hold more than their budget.
const crowdedLag = 16

// maxLag is how many bytes a member may be behind now.
func (h *Hub) maxLag() int {
	if h.logBytes.Load() > int64(h.cfg.MaxLogBytes) {
		return h.cfg.MaxLag / crowdedLag
	}
	return h.cfg.MaxLag
}

// look checks one connection's clocks.
func (c *conn) look(now uint32, clock int64) {
	cfg := &c.hub.cfg
	c.mu.Lock()
	phase, armed, since, grace := c.phase, c.armed, c.since, closeGrace
	patience := cfg.StallTimeout
	if armed && c.overtaken() {
		patience = min(patience, cfg.OvertakenTimeout)
	}
	if c.code == wire.CloseSlowConsumer && !c.finished {
		grace = cfg.StallTimeout // what tells it why stands behind what it is slow to take
	}
	c.mu.Unlock()
	if c.holds.Load() != 0 {
		c.heard.Store(now) // not read from, it cannot be heard
	}
	quiet := elapsed(now, c.heard.Load())
	switch {
	case phase == closing && elapsed(now, since) > ticks(grace):
		c.end(0)
	case phase != open:
	case clock >= c.expires:
		c.closeWith(wire.CloseTokenExpired, "")
	case quiet >= ticks(cfg.SilenceTimeout):
		c.closeWith(wire.CloseSilent, "")
	case armed && elapsed(now, since) > ticks(patience):
		c.closeWith(wire.CloseSlowConsumer, "")
	case quiet >= ticks(cfg.PingInterval) && elapsed(now, c.pinged.Load()) >= ticks(cfg.PingInterval):
		c.pinged.Store(now)
		c.send(wire.AppendFrameHeader(nil, wire.OpPing, 0))
	}
}

// trimmer gives memory back to the system after a storm of new connections,
// which leaves much garbage behind and then quiet.
type trimmer struct {
	last, trimmed int64
	calm          int
}

const (
	stormSize = 1000
	calmLooks = int(time.Second / sweepEvery)
)

func (t *trimmer) look(connections int64) {
	if connections != t.last {
		t.last, t.calm = connections, 0
		return
	}
	t.calm++
	if t.calm == calmLooks && connections-t.trimmed >= stormSize {
		t.trimmed = connections
		debug.FreeOSMemory()
	}
}

// Drain announces the end to all connections, waits until they have left or the
// window is over, and closes those that stayed with `draining`; sends that are
// under way are answered first. New connections are not admitted any more. Who goes
// leaves no room by it: he comes back somewhere else, most likely, and was never gone;
// of the others the janitor of another server tells. It returns when all connections
// are gone, or soon after ctx has ended.
func (h *Hub) Drain(ctx context.Context, window time.Duration) {
	h.draining.Store(true)
	for c := range h.table.all() {
		c.send(textFrame(wire.AppendDrain(nil, window)))
	}
	h.waitUntil(ctx, window, func() bool { return h.table.count() == 0 })
	for c := range h.table.all() {
		c.hold(holdDrain)
	}
	h.waitUntil(ctx, h.cfg.JoinTimeout, func() bool { return h.pending.Load() == 0 })
	for c := range h.table.all() {
		c.closeWith(wire.CloseDraining, "")
	}
	h.waitUntil(ctx, 2*closeGrace, func() bool { return h.table.count() == 0 })
}

// waitUntil waits for a condition, at most for a time.
func (h *Hub) waitUntil(ctx context.Context, limit time.Duration, done func() bool) {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	ticker := time.NewTicker(tickLength)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
