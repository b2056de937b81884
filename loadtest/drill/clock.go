package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/breakwater-chat/breakwater/loadtest/oracle"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// jump is how far a clock is off: for longer than a lease, and than all that servers keep
// for a while.
const jump = 10 * time.Minute

// aliveToAll is an expectation of clock-jump.
const aliveToAll = "no server is taken for dead"

// clockJump: the wall clock of the first server jumps ahead, back, behind, and back again.
// What a token says of its end is all that is counted by it.
func clockJump(ctx context.Context, r *run) error {
	cuts, from, fenced := r.crowd.cuts(), r.record.now(), r.allFenced(ctx)
	for _, ahead := range []time.Duration{jump, -jump} {
		end, err := r.begin(ctx, clockIsOff(0, ahead))
		if err != nil {
			return err
		}
		r.staysReady(ctx)
		r.tokensAreGood(ctx)
		err = errors.Join(r.crowd.come(ctx, r.crowd.size.people/5), pause(ctx, 2*lease), end())
		r.staysReady(ctx)
		if err := errors.Join(err, pause(ctx, lease)); err != nil {
			return err
		}
	}
	now := r.allFenced(ctx)
	r.check(fenced >= 0 && now == fenced, aliveToAll, "servers have been %v times, before that %v", now, fenced)
	n := r.record.happened(oracle.Went, from, r.record.now())
	r.check(n == 0, "nobody is told gone", "clients were told %d times", n)
	stray := r.record.farthest()
	r.check(stray < jump/2, "messages have the time of Redis's clock", "one was off by %v", stray.Round(time.Second))
	r.noneCut(cuts)
	r.noneRefused(from, r.record.now(), "for a clock's sake")
	r.noneGivenUp()
	return nil
}

// clockIsOff has the wall clock of a server that has one of its own jump, and back in the end.
func clockIsOff(i int, ahead time.Duration) fault {
	how := "ahead"
	if ahead < 0 {
		how = "behind"
	}
	return fault{
		name: fmt.Sprintf("the clock of %s is %v %s", named(i), ahead.Abs(), how), on: named(i),
		begin: func(_ context.Context, g *ground) error { return g.cluster.Servers[i].SetClock(ahead) },
		end:   func(_ context.Context, g *ground) error { return g.cluster.Servers[i].SetClock(0) },
	}
}

// allFenced is how often servers were declared dead while they lived; -1 if one does not say.
func (r *run) allFenced(ctx context.Context) (sum float64) {
	for i := range r.cluster.Servers {
		n, err := r.metric(ctx, i, fencings, "")
		if err != nil {
			return -1
		}
		sum += n
	}
	return sum
}

// staysReady expects that a load balancer finds the first server ready at any moment.
func (r *run) staysReady(ctx context.Context) {
	const looks = 40
	not := 0
	for range looks {
		if _, err := stand.Call(ctx, http.MethodGet, r.cluster.Servers[0].URL+"/readyz", "", nil, nil); err != nil {
			not++
		}
		if pause(ctx, between) != nil {
			return
		}
	}
	r.check(not == 0, "the server stays ready", "at %d of %d looks it was not", not, looks)
}

// tokensAreGood expects that what one server signs now the others accept.
func (r *run) tokensAreGood(ctx context.Context) {
	for _, way := range []struct{ signs, reads int }{{0, 1}, {1, 0}} {
		var account struct{ Token string }
		name := map[string]string{"name": fmt.Sprintf("%s newcomer %x", r.crowd.word, r.rng.Uint32())}
		_, err := stand.Call(ctx, http.MethodPost, r.cluster.Servers[way.signs].URL+"/v1/chatrooms/users", "", name, &account)
		if err == nil {
			_, err = stand.Call(ctx, http.MethodPost, r.cluster.Servers[way.reads].URL+"/v1/chatrooms/users/token", account.Token, nil, nil)
		}
		r.check(err == nil, "what one server signs another one accepts", "from %s to %s: %v", named(way.signs), named(way.reads), err)
	}
}
