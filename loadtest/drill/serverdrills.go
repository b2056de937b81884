package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/oracle"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
	"github.com/breakwater-chat/breakwater/loadtest/stand/service"
)

// Expectations of server-kill.
const (
	leftBehind = "nothing is left of a dead server after two leases"
	inTime     = "nobody is told gone who comes back when his server is known to be dead"
)

// toldLater is longer than presence is gathered before it is told, and much shorter than
// the grace, which is a third of the lease.
const toldLater = lease / 10

// serverKill: it dies when its lease has little time left. While it is dead its
// memberships are removed, and its people are somewhere else, some at once and some only
// when the others know that it is dead, which is not too late; then it comes back.
func serverKill(ctx context.Context, r *run) error {
	before, from := r.crowd.cuts(), r.record.now()
	if err := r.lowLease(ctx); err != nil {
		return err
	}
	lift := r.crowd.bar(2)
	defer lift()
	end, err := r.begin(ctx, serverDies(0))
	if err != nil {
		return err
	}
	if err := r.cutOff(ctx, before+1); err != nil {
		return errors.Join(err, end())
	}
	r.knownDead(ctx)
	err = pause(ctx, toldLater) // who comes sooner is not told gone, whatever was decided
	lift()
	err = errors.Join(err, r.back(ctx, 10*time.Second))
	n := r.record.happened(oracle.Went, from, r.record.now())
	r.check(n == 0, inTime, "clients were told %d times", n)
	err = errors.Join(err, pause(ctx, 2*lease), r.buried(ctx), end(), pause(ctx, 2*time.Second))
	r.noneGivenUp()
	return err
}

// lowLease waits until the first server is about to renew its lease.
func (r *run) lowLease(ctx context.Context) error {
	low := 0.72 * lease.Seconds() // it renews at two thirds
	return await(ctx, lease, "a lease to run low", func() error {
		left, err := r.metric(ctx, 0, "breakwater_lease_remaining_seconds", "")
		if err == nil && left > low {
			err = fmt.Errorf("%.1f s are left", left)
		}
		return err
	})
}

// knownDead waits until the first server was declared dead, but not for ever.
func (r *run) knownDead(ctx context.Context) {
	_ = await(ctx, 2*lease, "a server to be declared dead", func() error { // whether it ever is buried judges
		rows, err := service.Memberships(ctx, r.base.MySQL.URL, r.crowd.rooms)
		for _, m := range rows {
			if m.Server == named(0) && m.Live {
				return errors.New("it counts as alive")
			}
		}
		return err
	})
}

// buried expects that no membership of the first server is left.
func (r *run) buried(ctx context.Context) error {
	rows, err := service.Memberships(ctx, r.base.MySQL.URL, r.crowd.rooms)
	n := 0
	for _, m := range rows {
		if m.Server == named(0) || !m.Live {
			n++
		}
	}
	r.check(err == nil && n == 0, leftBehind, "MySQL has %d memberships of it", n)
	return err
}

// cutOff waits until clients have noticed that their server is gone.
func (r *run) cutOff(ctx context.Context, cuts int) error {
	return await(ctx, 10*time.Second, "clients to be cut off", func() error {
		if got := r.crowd.cuts(); got < cuts {
			return fmt.Errorf("%d are, want %d", got, cuts)
		}
		return nil
	})
}

// noneGivenUp expects that every send came to an ack in the end.
func (r *run) noneGivenUp() {
	n := r.record.counted("given up")
	r.check(n == 0, "no send is given up", "%d were", n)
}

// noneCut expects that no connection was lost since there were so many cuts.
func (r *run) noneCut(before int) {
	n := r.crowd.cuts() - before
	r.check(n == 0, "no connection is cut", "%d were", n)
}

// noneRefused expects that no send was refused in a part of the run.
func (r *run) noneRefused(from, to time.Duration, when string) {
	n := r.record.happened(oracle.Refused, from, to)
	r.check(n == 0, "no send is refused "+when, "%d were", n)
}

// standsAgain is an expectation of server-pause.
const standsAgain = "what people said meanwhile is refused until the server stands again"

// serverPause: for longer than two leases a server does nothing, and does not know it.
// When it wakes MySQL tells it nothing at first: until then it must not act.
func serverPause(ctx context.Context, r *run) error {
	before := r.fenced(ctx)
	wake, err := r.begin(ctx, serverStops(0))
	if err != nil {
		return err
	}
	stopped := r.record.now() + time.Second/4 // what had been read by then was said before
	if err := pause(ctx, 2*lease+2*time.Second); err != nil {
		return errors.Join(err, wake())
	}
	unsure := silent(stand.MySQL, 0)
	unsure.excuses = nil // nobody comes or goes meanwhile
	tell, err := r.begin(ctx, unsure)
	if err != nil {
		return errors.Join(err, wake())
	}
	awake := r.record.now()
	err = errors.Join(wake(), pause(ctx, lease/4)) // it gives up asking after a third
	// Other servers have answered by then what was said two seconds before.
	acked, refused := r.record.answersTo(stopped, awake-2*time.Second, awake)
	if err := errors.Join(err, tell(), pause(ctx, lease)); err != nil {
		return err
	}
	r.check(acked == 0 && refused > 0, standsAgain, "%d sends were, %d were acked", refused, acked)
	after := r.fenced(ctx)
	r.check(before >= 0 && after > before, "the server notices that it was taken for dead", "it has been fenced %v times, before that %v", after, before)
	return r.back(ctx, 15*time.Second)
}

// fencings is a metric of each server.
const fencings = "breakwater_lease_fencings_total"

// fenced is how often the first server was declared dead while it lived; -1 if it does not say.
func (r *run) fenced(ctx context.Context) float64 {
	n, err := r.metric(ctx, 0, fencings, "")
	if err != nil {
		return -1
	}
	return n
}

// neverGone is an expectation of rolling-restart.
const neverGone = "nobody is told gone who is only sent away"

// awayFor is how long people who are sent away stay away: longer than servers gather news of
// people before they tell it, else it would not be told that they were gone; well below the
// grace, which is a third of the lease.
const awayFor = 700 * time.Millisecond

// rollingRestart replaces all servers, as a deployment does. Half of the people cannot go
// in time and are sent away.
func rollingRestart(ctx context.Context, r *run) error {
	from := r.record.now()
	for i := range r.cluster.Servers {
		time.AfterFunc(drainWindow+awayFor, r.crowd.bar(2))
		if err := r.hold(ctx, 0, serverIsReplaced(i)); err != nil {
			return err
		}
		if err := pause(ctx, 2*time.Second); err != nil {
			return err
		}
	}
	err := r.back(ctx, 5*time.Second)
	r.noneRefused(from, r.record.now(), "while servers are replaced")
	n := r.record.happened(oracle.Went, from, r.record.now())
	r.check(n == 0, neverGone, "clients were told %d times", n)
	r.noneGivenUp()
	return err
}

func serverIsReplaced(i int) fault {
	return fault{
		name: named(i) + " is replaced", on: named(i), restarts: true,
		begin: func(_ context.Context, g *ground) error { return g.cluster.Drain(i) },
		end:   func(_ context.Context, g *ground) error { return g.cluster.Restart(i) },
	}
}

// nginxReload: connections stay with the workers that they have.
func nginxReload(ctx context.Context, r *run) error {
	before, from := r.crowd.cuts(), r.record.now()
	for range 3 {
		if err := errors.Join(r.hold(ctx, 0, nginxReloads()), pause(ctx, 2*time.Second)); err != nil {
			return err
		}
	}
	r.noneCut(before)
	r.noneRefused(from, r.record.now(), "while nginx reloads")
	return nil
}

// stormWarm: a third of the people come back to servers that know all rooms.
func stormWarm(ctx context.Context, r *run) error {
	before := r.crowd.cuts()
	end, err := r.begin(ctx, serverDies(0))
	if err != nil {
		return err
	}
	if err := r.cutOff(ctx, before+r.crowd.size.people/6); err != nil {
		return errors.Join(err, end())
	}
	return errors.Join(r.back(ctx, 20*time.Second), end())
}

// Expectations of storm-cold.
const (
	pagesOnce  = "Elasticsearch is asked once for each page"
	sharedOnce = "each server asks Redis once for each page"
)

// stormCold: everybody is cut off at once, no server knows a room, and of messages even
// Redis knows none. All that was said is in Elasticsearch by then.
func stormCold(ctx context.Context, r *run) error {
	r.crowd.hush()
	// A room of which only an unanswered send is known would be a page more.
	if err := await(ctx, rest, "every send to be answered", r.crowd.answered); err != nil {
		return err
	}
	heads, known := r.record.newest()
	if err := await(ctx, rest, "everything to be in Elasticsearch", func() error { return r.documentsAreThere(ctx, heads, known) }); err != nil {
		return err
	}
	before := r.crowd.cuts()
	searched, err := service.Searches(ctx, r.base.Elasticsearch.URL)
	if err != nil {
		return err
	}
	// All servers are to be asked at the same time: the first one to be there would else
	// have read everything for the others.
	lift := r.crowd.bar(1)
	defer lift()
	var ends []func() error
	for i := range r.cluster.Servers {
		end, err := r.begin(ctx, serverDies(i))
		if err != nil {
			return errors.Join(err, undo(ends))
		}
		ends = append(ends, end)
	}
	err = errors.Join(r.cutOff(ctx, before+len(r.crowd.seats)), service.ForgetMessages(ctx, r.base.Redis.URL))
	err = errors.Join(err, undo(ends))
	lift()
	var reading sync.WaitGroup
	for i := range r.cluster.Servers {
		reading.Go(func() { r.readTogether(ctx, i) })
	}
	err = errors.Join(err, r.back(ctx, 30*time.Second))
	reading.Wait()
	if err != nil {
		return err
	}
	now, err := service.Searches(ctx, r.base.Elasticsearch.URL)
	pages := len(heads) // what was said in a room is less than one
	r.check(now-searched <= int64(pages), pagesOnce, "it was asked %d times for %d pages", now-searched, pages)
	for i := range r.cluster.Servers {
		n, failed := r.metric(ctx, i, "breakwater_playback_reads_total", `source="shared"`)
		r.check(failed == nil && n <= float64(pages), sharedOnce, "%s asked %v times for %d pages", named(i), n, pages)
		err = errors.Join(err, failed)
	}
	return err
}

// readTogether asks a server for what was said in each room, many times at once: what
// they are answered does not matter.
func (r *run) readTogether(ctx context.Context, server int) {
	const readers = 20
	for _, room := range r.crowd.rooms {
		at := fmt.Sprintf("%s/v1/chatrooms/%d/messages", r.cluster.Servers[server].URL, room)
		var all sync.WaitGroup
		for range readers {
			all.Go(func() { _, _ = stand.Call(ctx, http.MethodGet, at, r.crowd.token, nil, nil) })
		}
		all.Wait()
	}
}

// undo ends all faults.
func undo(ends []func() error) error {
	var errs []error
	for _, end := range ends {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}
