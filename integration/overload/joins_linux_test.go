package overload

import (
	"bytes"
	"container/heap"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// joining are people at a server's door: each connects and joins, comes again when he is
// told to, and leaves as soon as he is in.
type joining struct {
	*peers
	srv   *server
	rooms []room
	at    map[*peer]*visitor // who has knocked
	later visitors           // who was refused
	next  int                // number of the next visitor

	arrivals
}

// room is where visitors go, and where it was when the last of them left.
type room struct{ id, epoch, seq int }

// visitor is one who wants to get in.
type visitor struct {
	person  int
	room    *room
	resumes bool
	refused int       // times
	due     time.Time // not before it he knocks again
	knocked time.Time
}

// arrivals are what became of the visitors of a phase.
type arrivals struct {
	began            time.Time
	came, in         int
	opened, lasted   time.Duration   // until all had knocked once, and until all were in
	took, resumeTook []time.Duration // from the last knock, of all and of who resumed
	tookThen         []time.Duration // of who knocked last when the phase was older than settling
	refused          []int           // times, of who got in and did not resume
	resumersRefused  int             // times
	unanswered       int             // connections that were closed without a word
	waits            map[int]int     // how often each Retry-After was told, in seconds
}

// retrySpread is what a visitor adds at random to what he is told, as package client does.
const retrySpread = 500 * time.Millisecond

// settling is how long a server may take to find out that too many come.
const settling = time.Second

// doorway is for how many at once this process has descriptors.
const doorway = 10_000

// newJoining makes rooms to go to.
func newJoining(srv *server, rooms int) (*joining, error) {
	ps, err := newPeers()
	if err != nil {
		return nil, err
	}
	j := &joining{peers: ps, srv: srv, at: map[*peer]*visitor{}, rooms: make([]room, rooms)}
	ps.heard = j.hear
	for i := range j.rooms {
		j.rooms[i].id = srv.room(fmt.Sprint("room ", i))
	}
	return j, nil
}

// phase lets so many visitors come within a time, or, when it is 0, as many as keep
// so many at the door. It lasts until all are in, or until patience is over.
func (j *joining) phase(visitors, atOnce int, d, patience time.Duration) (arrivals, error) {
	j.arrivals = arrivals{began: time.Now(), waits: map[int]int{}}
	for elapsed := time.Duration(0); elapsed < d || j.in < j.came || j.came < visitors; elapsed = time.Since(j.began) {
		if elapsed > d+patience {
			return j.arrivals, fmt.Errorf("%d of %d are in after %v", j.in, j.came, elapsed)
		}
		due := int(float64(visitors) * min(1, elapsed.Seconds()/d.Seconds()))
		if visitors == 0 && elapsed < d {
			due = j.in + atOnce
		}
		if err := j.knockAll(due); err != nil {
			return j.arrivals, err
		}
		if j.came < visitors {
			j.opened = elapsed
		}
		j.poll(time.Millisecond)
		if err := j.goneUnanswered(); err != nil {
			return j.arrivals, err
		}
	}
	j.lasted = time.Since(j.began)
	slices.Sort(j.took)
	slices.Sort(j.tookThen)
	slices.Sort(j.resumeTook)
	slices.Sort(j.refused)
	return j.arrivals, nil
}

// knockAll lets knock whose time has come: who was refused, and who is new.
func (j *joining) knockAll(due int) error {
	for range maxKnocks {
		if len(j.at) == doorway {
			return nil
		}
		var v *visitor
		switch {
		case len(j.later) > 0 && time.Now().After(j.later[0].due):
			v = heap.Pop(&j.later).(*visitor)
		case j.came < due:
			v = &visitor{person: j.next % len(j.srv.tokens), room: &j.rooms[j.next%len(j.rooms)]}
			v.resumes = j.next%resumeEvery == 0 && v.room.epoch > 0
			j.next++
			j.came++
		default:
			return nil
		}
		if err := j.knock(v); err != nil {
			return err
		}
	}
	return nil
}

// maxKnocks is how many knock before the others are listened to.
const maxKnocks = 100

func (j *joining) knock(v *visitor) error {
	since := ""
	if v.resumes {
		since = fmt.Sprintf("&epoch=%d&since=%d", v.room.epoch, v.room.seq)
	}
	v.knocked = time.Now()
	p, err := j.open(j.srv.port, j.srv.request(v.person, v.room.id, since))
	if err == nil {
		j.at[p] = v
	}
	return err
}

func (j *joining) hear(p *peer, payload []byte) {
	v := j.at[p]
	switch {
	case v == nil: // what comes behind his playback is not for him any more
	case bytes.HasPrefix(payload, []byte("HTTP/1.1 429 ")), bytes.HasPrefix(payload, []byte("HTTP/1.1 503 ")):
		_, after, _ := bytes.Cut(payload, []byte("\r\nRetry-After: "))
		seconds, err := strconv.Atoi(string(after[:max(0, bytes.IndexByte(after, '\r'))]))
		if err != nil {
			p.err = fmt.Errorf("a refusal without a time to come back: %.300q", payload)
			return
		}
		j.waits[seconds]++
		if v.resumes {
			j.resumersRefused++
		}
		v.refused++
		j.again(p, v, time.Duration(seconds)*time.Second)
	case bytes.HasPrefix(payload, []byte(`{"type":"joined"`)):
		v.room.epoch, v.room.seq = field(payload, `"epoch":`), field(payload, `"seq":`)
		j.welcome(v)
		j.leave(p)
	case bytes.HasPrefix(payload, []byte("HTTP/1.1 ")):
		p.err = fmt.Errorf("got %.300q", payload)
	}
}

// welcome counts who is in.
func (j *joining) welcome(v *visitor) {
	took := time.Since(v.knocked)
	j.took = append(j.took, took)
	if v.knocked.Sub(j.began) > settling {
		j.tookThen = append(j.tookThen, took)
	}
	if v.resumes {
		j.resumeTook = append(j.resumeTook, took)
	} else {
		j.refused = append(j.refused, v.refused)
	}
	j.in++
}

// again lets a visitor come again, not before he was told to.
func (j *joining) again(p *peer, v *visitor, after time.Duration) {
	v.due = time.Now().Add(after + rand.N(retrySpread))
	heap.Push(&j.later, v)
	j.leave(p)
}

func (j *joining) leave(p *peer) {
	delete(j.at, p)
	j.drop(p)
}

// goneUnanswered counts those whose connection was closed without a word. They come again, too.
func (j *joining) goneUnanswered() error {
	for _, p := range j.broken {
		v := j.at[p]
		if v == nil {
			continue
		}
		if !errors.Is(p.err, unix.ECONNRESET) && !errors.Is(p.err, errEnded) {
			return p.err
		}
		j.unanswered++
		j.again(p, v, time.Second)
	}
	j.broken = j.broken[:0]
	return nil
}

// field is the number behind a name.
func field(payload []byte, name string) (n int) {
	_, rest, _ := bytes.Cut(payload, []byte(name))
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		n = 10*n + int(c-'0')
	}
	return n
}

func (a arrivals) perSecond() float64 { return float64(a.in) / a.lasted.Seconds() }

// told is how many refusals there were.
func (a arrivals) told() (n int) {
	for times := range maps.Values(a.waits) {
		n += times
	}
	return n
}

func (a arrivals) String() string {
	return fmt.Sprintf("%d came, the last after %v, and were in after %v (%.0f a second), %d unanswered; in after p50 %v, p99 %v, behind the first second p99 %v, who resumes p99 %v; "+
		"refused %d times (seconds to wait: %v), each at most %d times, who resumes %d in all",
		a.came, a.opened.Round(time.Millisecond), a.lasted.Round(time.Millisecond), a.perSecond(), a.unanswered,
		quantile(a.took, 0.5).Round(10*time.Microsecond), quantile(a.took, 0.99).Round(10*time.Microsecond), quantile(a.tookThen, 0.99).Round(10*time.Microsecond),
		quantile(a.resumeTook, 0.99).Round(10*time.Microsecond), a.told(), a.waits, quantile(a.refused, 1), a.resumersRefused)
}

// visitors are those who come later, who is due first before the others.
type visitors []*visitor

// Len implements heap.Interface.
func (v visitors) Len() int { return len(v) }

// Less implements heap.Interface.
func (v visitors) Less(i, j int) bool { return v[i].due.Before(v[j].due) }

// Swap implements heap.Interface.
func (v visitors) Swap(i, j int) { v[i], v[j] = v[j], v[i] }

// Push implements heap.Interface.
func (v *visitors) Push(x any) { *v = append(*v, x.(*visitor)) }

// Pop implements heap.Interface.
func (v *visitors) Pop() any {
	last := (*v)[len(*v)-1]
	*v = (*v)[:len(*v)-1]
	return last
}
