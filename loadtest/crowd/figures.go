package crowd

import "github.com/breakwater-chat/breakwater/loadtest/report"

// Names of what is counted; errors have one each, ErrorPrefix and their code.
const (
	Sent     = "sent"     // messages, however often each was written
	Resent   = "resent"   // written again under their id
	Acked    = "acked"    // answered for the first time
	Received = "received" // live messages, to every member one
	Replayed = "replayed" // messages of the playback of members who came back
	Joined   = "joined"   // playbacks of first joins
	Back     = "back"     // playbacks of members who came back
	Reset    = "reset"    // of these, those that did not go on where the member was
	Closed   = "closed"   // connections that ended
	Drained  = "drained"  // of these, those that were left because the server asked for it
	Left     = "left"     // rooms that were left
	Notices  = "notices"  // frames of presence, typing and the like

	Lost       = "lost"       // not delivered, and not told missing either
	Gapped     = "gapped"     // told missing by a gap
	Doubled    = "doubled"    // delivered a second time
	Disordered = "disordered" // delivered too late, or elsewhere than to others or as acked
	Damaged    = "damaged"    // not as it was sent
	Unanswered = "unanswered" // neither acked nor refused until the end

	ErrorPrefix = "error "
)

// Names of latencies.
const (
	Deliver = "deliver" // from the intended send to its arrival at a member, live
	Ack     = "ack"     // from the intended send to its ack
	Join    = "join"    // from the beginning of a connection to its first playback
	Late    = "late"    // from the intended send to the system call: the generator's own share
)

// meters are handles of what happens often.
type meters struct {
	tally                          *report.Tally
	sent, acked, received, notices *int64
	deliver, ack, join, back, late *report.Durations
}

func newMeters(t *report.Tally) meters {
	return meters{
		tally: t,
		sent:  t.Count(Sent), acked: t.Count(Acked), received: t.Count(Received), notices: t.Count(Notices),
		deliver: t.Durations(Deliver), ack: t.Durations(Ack), join: t.Durations(Join), back: t.Durations(Back),
		late: t.Durations(Late),
	}
}

// failed counts an error by its code.
func (m *meters) failed(code string) { m.tally.Add(ErrorPrefix+code, 1) }
