package overload

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-chat/breakwater/internal/ablation"
)

// The people at the door.
const (
	names       = 2000 // come again and again, so that the server knows them
	doorRooms   = 100
	knocking    = 256 // at the door at once when the capacity is measured
	resumeEvery = 100 // one of so many resumes
	flood       = time.Second
)

// The bounds. To refuse somebody costs a server a connection and a look at his request:
// while many are refused fewer get in.
const (
	leastIn     = 0.5 // of the capacity, until all are in
	longestWait = 4 * time.Second
	usualWait   = 2 * time.Second
	mostAtDoor  = 6         // times the p99 of capacity; it is twice that on a quiet machine, and 30 times and more without the door
	sameWait    = 0.6       // of those who are refused are told the same time, at most
	resumeShare = 0.5       // as often as who is new, at most, who resumes is refused
	silentShare = 0.1       // of all connections, at most, are closed without a word: the gate is full
	perVisitor  = 16 * 1024 // bytes of memory
)

// door is what a test of joins has measured.
type door struct {
	capacity, half, over, after arrivals
	memoryBefore, memoryOver    int
}

// besiege finds out how many a server lets in in a second, and lets five times as many
// come within one.
func besiege(t *testing.T, recovers bool) (o door) {
	t.Helper()
	srv := start(t, names)
	j, err := newJoining(srv, doorRooms)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	phase := func(what string, rate float64, d time.Duration) arrivals {
		t.Helper()
		got, err := j.phase(int(rate*d.Seconds()), knocking, d, time.Minute)
		if err != nil {
			t.Fatalf("%s: %v: %v", what, err, got)
		}
		t.Logf("%s: %v; %d MiB", what, got, srv.resident())
		return got
	}
	phase("warming up", 0, time.Second)
	o.capacity = phase("capacity", 0, 2*time.Second)
	most := o.capacity.perSecond()
	o.half = phase("half of it", most/2, 2*time.Second)
	o.memoryBefore = srv.resident()
	o.over = phase(fmt.Sprintf("%d times as many", times), times*most, flood)
	o.memoryOver = srv.resident()
	if recovers {
		phase("half of it again", most/2, recovery)
		o.after = phase("behind that", most/2, 2*time.Second)
	}
	return o
}

// verdict says what of the promises was not kept.
func (o door) verdict() (broken []string) {
	complain := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	over, told := o.over, o.over.told()
	bound := time.Duration(float64(over.came)/(leastIn*o.capacity.perSecond())*float64(time.Second)) + longestWait
	if over.lasted > bound {
		complain("all were in after %v, want %v for %d people at %.0f a second", over.lasted, bound, over.came, o.capacity.perSecond())
	}
	if got, want := quantile(over.refused, 1), int(bound/usualWait); got > want {
		complain("somebody was refused %d times, want %d at most", got, want)
	}
	if told == 0 {
		complain("nobody was told when to come back")
	}
	for seconds, n := range over.waits {
		if n > int(sameWait*float64(told)) {
			complain("%d of %d were told to come back after %d s, all at once", n, told, seconds)
		}
	}
	resumers := len(over.resumeTook)
	often, oftenNew := float64(over.resumersRefused)/float64(resumers), float64(told-over.resumersRefused)/float64(over.came-resumers)
	if often > resumeShare*oftenNew {
		complain("who resumes was refused %.2f times, who is new %.2f times", often, oftenNew)
	}
	if got, want := over.unanswered, int(silentShare*float64(over.came)); got > want {
		complain("%d connections were closed without a word, want %d at most", got, want)
	}
	// At capacity as many are at the door as a server works best with.
	if got, want := quantile(over.tookThen, 0.99), mostAtDoor*quantile(o.capacity.took, 0.99); got > want {
		complain("latency: got p99 %v behind the first second, want %v by that of capacity", got, want)
	}
	if more := o.memoryOver - o.memoryBefore; more > doorway*perVisitor>>20 {
		complain("memory: got %d MiB more, want %d at most", more, doorway*perVisitor>>20)
	}
	if got, want := quantile(o.after.took, 0.99), max(mostLater*quantile(o.half.took, 0.99), leastP99); got > want {
		complain("recovery: got p99 %v %v behind the flood, want %v", got, recovery, want)
	}
	return broken
}

// TestJoinsBeyondCapacity: when five times as many people come as a server lets in in a
// second, all get in without having to come more often than the times that they are told
// imply, and as quickly as when just as many come as can be let in; who resumes goes before
// who is new, and when it is over it is over.
func TestJoinsBeyondCapacity(t *testing.T) {
	untilKept(t, func(t *testing.T) []string { t.Helper(); return besiege(t, true).verdict() })
}

// Without the door they stand in the queue for the processor, and those who accept
// connections among them, so that the kernel's queue of connections is full.
func TestWithoutTheDoorJoinsWait(t *testing.T) {
	t.Setenv(ablation.Variable, string(ablation.Door))
	broken := besiege(t, false).verdict()
	t.Logf("broken: %q", broken)
	if !slices.ContainsFunc(broken, func(s string) bool { return strings.HasPrefix(s, "latency:") }) {
		t.Error("got everybody in as quickly as with it")
	}
}

// Without admission nobody is told anything, and who resumes stands among the others.
func TestWithoutAdmissionJoinsPileUp(t *testing.T) {
	t.Setenv(ablation.Variable, string(ablation.Admission))
	broken := besiege(t, false).verdict()
	t.Logf("broken: %q", broken)
	if len(broken) == 0 {
		t.Error("got all promises kept")
	}
}
