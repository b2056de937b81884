package drill

import (
	"fmt"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/oracle"
	"github.com/breakwater-chat/breakwater/loadtest/report"
)

// record is what all clients of a drill saw and what the drill did, in one order, and
// the same as numbers for the report. It is safe for concurrent use.
type record struct {
	began time.Time
	line  *report.Recorder

	mu      sync.Mutex
	history oracle.History
	tally   *report.Tally  // of the second that is running
	conns   map[string]int // how many connections each client has made
	heads   map[bw.RoomID]bw.Position
	// placed are the positions in each room that anybody was acked or delivered.
	placed map[bw.RoomID]map[bw.Position]bool
	// stray is how far the server's time of a live message was from when it came, at most.
	stray time.Duration
	ended bool // nothing is noted any more
	// wrong are what neither the client nor the oracle understands.
	wrong []string
}

func newRecord(b oracle.Bounds) *record {
	began := time.Now()
	r := &record{
		began: began, line: report.NewRecorder(began), tally: report.NewTally(),
		conns: map[string]int{}, heads: map[bw.RoomID]bw.Position{}, placed: map[bw.RoomID]map[bw.Position]bool{},
	}
	r.add(oracle.Event{Kind: oracle.Run, Bounds: &b})
	return r
}

func (r *record) now() time.Duration { return time.Since(r.began) }

// number is that of a client's next connection.
func (r *record) number(client string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[client]++
	return r.conns[client]
}

// add notes an event, now.
func (r *record) add(e oracle.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	e.At = r.now()
	r.ended = e.Kind == oracle.End
	r.history = append(r.history, e)
	switch e.Kind {
	case oracle.Sent:
		r.tally.Add("sent", 1)
	case oracle.Acked:
		r.tally.Add("acked", 1)
		room, at := bw.RoomID(e.Room), bw.Position{Epoch: bw.Epoch(e.Epoch), Seq: bw.Seq(e.Seq)}
		if head := r.heads[room]; at.Seq > head.Seq {
			r.heads[room] = at
		}
		r.place(room, e.Epoch, e.Seq)
	case oracle.Received:
		r.place(bw.RoomID(e.Room), e.Epoch, e.Seq)
	case oracle.Joined:
		r.tally.Add("joined", 1)
		if e.Asked > 0 {
			r.tally.Observe("join", e.At-e.Asked)
		}
	case oracle.Closed:
		r.tally.Add("closed", 1)
	}
}

// place is called under mu.
func (r *record) place(room bw.RoomID, epoch, seq int64) {
	if r.placed[room] == nil {
		r.placed[room] = map[bw.Position]bool{}
	}
	r.placed[room][bw.Position{Epoch: bw.Epoch(epoch), Seq: bw.Seq(seq)}] = true
}

// received counts a live message by the server's time of it.
func (r *record) received(stamp bw.Millis) {
	took := time.Since(stamp.Time())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stray = max(r.stray, took.Abs())
	r.tally.Add("received", 1)
	r.tally.Observe("deliver", max(0, took))
}

// refused counts an error.
func (r *record) refused(code bw.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally.Add("error "+string(code), 1)
}

// answered measures from the first try of a send to its end, however many there were.
func (r *record) answered(took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.tally.Add("given up", 1)
		return
	}
	r.tally.Observe("ack", took)
}

// back measures how long a client was away.
func (r *record) back(away time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally.Observe("back", away)
}

// broken notes what should not be possible.
func (r *record) broken(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.wrong) < 10 {
		r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
	}
}

// flush hands the numbers of the last second over.
func (r *record) flush() {
	r.mu.Lock()
	at := r.now()
	tally := r.tally
	r.tally = report.NewTally()
	r.mu.Unlock()
	r.line.Merge(at, tally)
}

// newest is the newest acked message of each room, and how many of its epoch were acked
// or delivered.
func (r *record) newest() (heads map[bw.RoomID]bw.Position, known map[bw.RoomID]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	heads, known = map[bw.RoomID]bw.Position{}, map[bw.RoomID]int{}
	for room, at := range r.heads {
		heads[room] = at
		for placed := range r.placed[room] {
			if placed.Epoch == at.Epoch {
				known[room]++
			}
		}
	}
	return heads, known
}

// all is the history so far, and what nobody understands.
func (r *record) all() (oracle.History, []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(oracle.History(nil), r.history...), append([]string(nil), r.wrong...)
}
