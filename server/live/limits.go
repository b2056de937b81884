package live

import (
	"math/rand/v2"
	"time"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/server/admission"
	"github.com/breakwater-chat/breakwater/wire"
)

// EnterJoin admits a join before it costs anything, or refuses it with Overloaded. Who
// comes back goes before who is new. leave is called once, when the join has ended;
// finished is false if it was found to be wrong before it began.
func (h *Hub) EnterJoin(back bool) (leave func(finished bool), err error) {
	if !h.joins.Enter(back) {
		err := bw.Errorf(bw.Overloaded, "more people are joining than this server can let in at once")
		err.Stay = true
		return nil, err
	}
	return h.joins.Leave, nil
}

// Busy tells whether new people should rather go to another server: an error, if most
// of what comes has been refused for some time. Whoever comes is served all the same.
func (h *Hub) Busy() error {
	if h.overload.Turning() {
		return bw.Unavailablef(nil, "this server has more to do than it can")
	}
	return nil
}

// errBusy is the answer to a send that comes while as many are under way as can be
// done in time.
func errBusy() error {
	return bw.Unavailablef(nil, "the server has more to do than it can; send it again with the same id")
}

// turnAway refuses the sends at the beginning of data, before they cost anything, while
// too many are under way, and returns how many bytes that were; then the connection
// rests. Called under readMu.
func (c *conn) turnAway(data []byte) (size int) {
	if !c.hub.sends.Full() || !c.isOpen() {
		return 0
	}
	var answers, payload []byte
	refused, err := 0, errBusy()
	for c.hub.sends.Full() {
		id, n := c.plainSend(data[size:])
		if n == 0 {
			break
		}
		size += n
		refused++
		payload = wire.AppendError(payload[:0], id, err)
		answers = append(wire.AppendFrameHeader(answers, wire.OpText, len(payload)), payload...)
	}
	if refused > 0 {
		c.hub.sends.Refuse(refused)
		c.hub.metrics.errors.WithLabelValues(string(bw.Unavailable)).Add(float64(refused))
		c.rest(answers)
	}
	return size
}

// plainSend looks at the frame at the beginning of data: if it is a whole send whose id
// stands where it is found without reading the rest, it returns that and the frame's
// size, else 0. What else is wrong with the send is told when it comes again.
func (c *conn) plainSend(data []byte) (id string, size int) {
	h, size := parseHeader(data)
	if size == 0 || c.checkHeader(h) != 0 || h.OpCode != ws.OpText || !h.Fin || int64(len(data)-size) < h.Length {
		return "", 0
	}
	var head [wire.MaxSendHead]byte // of its own: who reads the frame after all unmasks it in place
	n := copy(head[:], data[size:size+int(h.Length)])
	ws.Cipher(head[:n], h.Mask, 0)
	id, ok := wire.SendID(head[:n])
	if !ok {
		return "", 0
	}
	return id, size + int(h.Length)
}

// How long connections are not read from after sends of theirs were refused: so long
// that there are at most as many such reads as cost the server little, but no longer
// than a client would notice.
const (
	restShare = 50 * time.Microsecond // for each connection that rests
	leastRest = 20 * time.Millisecond
	mostRest  = 100 * time.Millisecond
)

// rest answers sends that were refused, and does not read from their connection for a
// while: what comes meanwhile is refused by one read, and one write. The answers go out
// with whatever is written to it next, at the latest behind the rest. Called under readMu.
func (c *conn) rest(answers []byte) {
	c.mu.Lock()
	if c.phase == open && len(answers) > 0 {
		c.queue(answers)
	}
	c.mu.Unlock()
	if c.holds.Load()&holdBusy != 0 {
		return // it was a send that had to wait for a join
	}
	length := min(max(time.Duration(c.hub.resting.Add(1))*restShare, leastRest), mostRest)
	c.hold(holdBusy)
	time.AfterFunc(length/2+rand.N(length), func() { // not all at once
		c.hub.resting.Add(-1)
		c.release(holdBusy)
	})
}

// showLimits registers the limits' metrics.
func (h *Hub) showLimits(reg prometheus.Registerer) {
	for kind, l := range map[string]*admission.Limit{"send": h.sends, "join": h.joins} {
		labels := prometheus.Labels{"kind": kind}
		reg.MustRegister(
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: "breakwater_overload_refused_total", Help: "Sends and joins that were refused because too many were under way.", ConstLabels: labels,
			}, func() float64 { _, refused := l.Counts(); return float64(refused) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "breakwater_overload_under_way", Help: "Sends and joins that are worked on.", ConstLabels: labels,
			}, func() float64 { n, _ := l.State(); return float64(n) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "breakwater_overload_limit", Help: "How many sends and joins may be worked on, by what was finished lately.", ConstLabels: labels,
			}, func() float64 { _, most := l.State(); return float64(most) }),
		)
	}
	reg.MustRegister(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Name: "breakwater_overload_turning", Help: "1 while /readyz says that new people should go elsewhere because of overload."},
		func() float64 {
			if h.overload.Turning() {
				return 1
			}
			return 0
		},
	))
}
