package scenario

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/crowd"
	"github.com/breakwater-chat/breakwater/loadtest/report"
	"github.com/breakwater-chat/breakwater/loadtest/swarm"
)

// ErrInterrupted is a run that was ended from outside before its time.
var ErrInterrupted = errors.New("interrupted")

// connections is a gauge: those that are upgraded.
const connections = "connections"

// Outcome is what a part has to say at its end, beside what it has tallied.
type Outcome struct {
	// Load is how long the load lasted, Busy how long of that the loop worked, and CPU
	// what the process used in that time.
	Load time.Duration `json:"load_ns"`
	Busy time.Duration `json:"busy_ns"`
	CPU  time.Duration `json:"cpu_ns"`
	// Memory is the process's, in bytes.
	Memory float64 `json:"memory"`
	// Away is how many members are not in their rooms.
	Away int `json:"away"`
}

func (o *Outcome) add(other Outcome) {
	o.Load += other.Load
	o.Busy += other.Busy
	o.CPU += other.CPU
	o.Memory += other.Memory
	o.Away += other.Away
}

const (
	// tick is how often a part looks up from its sockets at the latest.
	tick = 20 * time.Millisecond
	// flushEvery is how often the tally goes to the recorder.
	flushEvery = time.Second
	// settleFor is how long the last sends may take to be acked, and then to be everywhere.
	settleFor = 5 * time.Second
	// stall is how long the gathering may bring in nobody.
	stall = 30 * time.Second
	// spare is what a part needs of file descriptors beside its connections.
	spare = 64
)

// actor does a part: one goroutine.
type actor struct {
	Part
	ctx     context.Context
	meeting meeting
	// sink takes the tally and empties it.
	sink func(*report.Tally) error

	clock  swarm.Clock
	random *rand.Rand
	tally  *report.Tally
	crowd  *crowd.Crowd
	swarm  *swarm.Swarm
	reader *reader

	flushAt  time.Duration
	lastLive time.Duration // when there was a connection last
	looked   look
	loaded   bool
	outcome  Outcome
}

// look is what had been used at some time.
type look struct {
	at, cpu, busy time.Duration
}

// act does the part, and returns when it is done, has failed, or ctx ends. Its goroutines
// have ended then. descriptors is how many files this process may have open.
func act(ctx context.Context, part Part, descriptors int, m meeting, sink func(*report.Tally) error) (o Outcome, err error) {
	if err := enough(descriptors, len(part.Members)); err != nil {
		return o, err
	}
	a := &actor{
		Part: part, ctx: ctx, meeting: m, sink: sink, clock: swarm.NewClock(),
		random: rand.New(rand.NewPCG(part.Seed, uint64(part.Index))), tally: report.NewTally(),
	}
	if err := a.open(); err != nil {
		return o, err
	}
	defer func() {
		a.reader.close()
		// What there is goes into the report, however this ends.
		a.outcome.Away = len(a.Members) - a.crowd.Joined()
		err = errors.Join(err, a.flush(), a.swarm.Close())
		o = a.outcome
	}()
	return o, a.perform()
}

// enough tells whether a process may have that many connections.
func enough(descriptors, connections int) error {
	if need := connections + spare; need > descriptors {
		return fmt.Errorf("%d connections need %d file descriptors, %d are allowed (ulimit -n)", connections, need, descriptors)
	}
	return nil
}

// open makes the crowd and its swarm.
func (a *actor) open() error {
	targets, err := resolve(a.ctx, a.Targets, a.Trust)
	if err != nil {
		return err
	}
	sources := a.Sources
	if len(sources) == 0 {
		sources = swarm.LoopbackSources(targets[0].Addresses[0].Addr(), len(a.Members), swarm.EphemeralPorts())
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return fmt.Errorf("the load generator needs Linux: %w", err)
	}
	name, _, _ := strings.Cut(string(boot), "-")
	a.crowd = crowd.New(crowd.Config{Run: a.Run, Clock: a.clock, ClockName: name, Members: a.Members, Size: a.Size}, a.tally)
	a.swarm, err = swarm.New(swarm.Config{
		Targets: targets, Sources: sources, Handshakes: a.Handshakes, Clock: a.clock, Random: a.random,
	}, a.crowd)
	if err != nil {
		return err
	}
	a.crowd.Connect(a.swarm)
	a.reader = newReader(a.ctx, newAPI(a.Targets[a.Index%len(a.Targets)], a.Trust), a.clock)
	a.looked.at = a.clock.Now()
	a.flushAt, a.lastLive = a.looked.at+flushEvery, a.looked.at
	return nil
}

// resolve looks the servers up, once.
func resolve(ctx context.Context, urls []string, trust Trust) ([]swarm.Target, error) {
	targets := make([]swarm.Target, 0, len(urls))
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil {
			return nil, err
		}
		port, err := net.DefaultResolver.LookupPort(ctx, "tcp", portOf(u))
		if err != nil {
			return nil, fmt.Errorf("looking up %s: %w", text, err)
		}
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
		if err != nil {
			return nil, fmt.Errorf("looking up %s: %w", text, err)
		}
		target := swarm.Target{Host: u.Host}
		if u.Scheme == "https" {
			target.TLS = trust.config()
			target.TLS.ServerName = u.Hostname()
		}
		for _, a := range found {
			target.Addresses = append(target.Addresses, netip.AddrPortFrom(a.Unmap(), uint16(port)))
		}
		targets = append(targets, target)
	}
	return targets, nil
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return u.Scheme
}

// perform goes through the run from point to point.
func (a *actor) perform() error {
	if err := a.gather(); err != nil {
		return err
	}
	if _, err := a.meet(pointGathered); err != nil {
		return err
	}
	if err := a.load(); err != nil {
		return err
	}
	if err := a.within(settleFor, func() bool { return a.crowd.Answered() && a.reader.idle() }); err != nil {
		return err
	}
	heads, err := a.meet(pointSaid)
	if err != nil {
		return err
	}
	err = a.within(settleFor, func() bool { return a.crowd.Settled(heads) })
	a.crowd.Judge(heads)
	return err
}

// within serves the connections until done says so, for a time at most.
func (a *actor) within(d time.Duration, done func() bool) error {
	end := a.clock.Now() + d
	return a.until(func() bool { return done() || a.clock.Now() >= end })
}

// gather connects everybody and waits until they are in their rooms.
func (a *actor) gather() error {
	most, since := 0, a.clock.Now()
	var stalled error
	err := a.until(func() bool {
		joined := a.crowd.Joined()
		if now := a.clock.Now(); joined > most {
			most, since = joined, now
		} else if now-since > stall {
			stalled = fmt.Errorf("%d of %d members are in their rooms, and for %v no further one: %s", joined, len(a.Members), stall, a.crowd.LastEnd())
		}
		return joined == len(a.Members) || stalled != nil
	})
	return errors.Join(err, stalled)
}

// meet waits for all parts at a point.
func (a *actor) meet(point string) (heads, error) {
	answer := a.meeting.meet(point, a.crowd.Heads())
	var known heads
	err := a.until(func() bool {
		select {
		case known = <-answer:
			return true
		default:
			return false
		}
	})
	return known, err
}

// until serves the connections until done says so.
func (a *actor) until(done func() bool) error {
	for !done() {
		if err := a.turn(never); err != nil {
			return err
		}
	}
	return nil
}

// turn serves the connections for a moment, at the latest until due.
func (a *actor) turn(due time.Duration) error {
	now := a.clock.Now()
	if err := a.swarm.Poll(min(due, a.flushAt, now+tick)); err != nil {
		return err
	}
	now = a.swarm.Now()
	if now >= a.flushAt {
		a.flushAt += flushEvery
		if err := a.flush(); err != nil {
			return err
		}
	}
	return a.check(now)
}

// check tells whether there is a reason to end.
func (a *actor) check(now time.Duration) error {
	if a.ctx.Err() != nil {
		return ErrInterrupted
	}
	if r := a.crowd.Refused(); r != nil {
		return fmt.Errorf("%s is refused for good: %s", r.Name, r.End)
	}
	if a.swarm.Live() > 0 {
		a.lastLive = now
	}
	if now-a.lastLive > a.GiveUp {
		return fmt.Errorf("no connection to %s for %v: %s", strings.Join(a.Targets, ", "), a.GiveUp, a.crowd.LastEnd())
	}
	return nil
}

// flush hands the tally over.
func (a *actor) flush() error {
	own, err := processUsage(os.Getpid())
	if err != nil {
		return err
	}
	a.reader.collect(a.tally)
	now := look{at: a.clock.Now(), cpu: own.cpu, busy: a.swarm.Busy()}
	passed := now.at - a.looked.at
	a.tally.Gauge(connections, float64(a.swarm.Live()))
	a.tally.Gauge(generatorMemory, own.memory)
	a.tally.Gauge(generatorCPU, share(now.cpu-a.looked.cpu, passed))
	if a.loaded {
		a.outcome.add(Outcome{Load: passed, Busy: now.busy - a.looked.busy, CPU: now.cpu - a.looked.cpu})
	}
	a.looked, a.outcome.Memory = now, own.memory
	return a.sink(a.tally)
}
