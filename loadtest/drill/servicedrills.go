package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/oracle"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// away is how long a service is away: for longer than a lease.
const away = lease + 3*time.Second

// afterwards is how long after the end of a fault sends may still be refused.
const afterwards = 5 * time.Second

func redisRestart(ctx context.Context, r *run) error {
	return r.redisAway(ctx, 3*time.Second, serviceDies(stand.Redis))
}

// redisBlackhole: for moments first, in which a server asks again for what is stored
// already, and then for longer than anybody waits.
func redisBlackhole(ctx context.Context, r *run) error {
	for range 6 {
		if err := errors.Join(r.hold(ctx, 300*time.Millisecond, mute(stand.Redis)), pause(ctx, time.Second)); err != nil {
			return err
		}
	}
	return r.redisAway(ctx, away, mute(stand.Redis))
}

// answeredSoon is an expectation while Redis is away.
const answeredSoon = "every send is answered soon"

// redisAway: sends are refused, soon, and only while Redis is away; nobody is cut off.
func (r *run) redisAway(ctx context.Context, d time.Duration, f fault) error {
	before, from := r.crowd.cuts(), r.record.now()
	if err := r.hold(ctx, d, f); err != nil {
		return err
	}
	to := r.record.now() + afterwards
	if err := pause(ctx, afterwards+2*time.Second); err != nil {
		return err
	}
	n := r.record.happened(oracle.Refused, from, to)
	r.check(n > 0, "sends are refused while Redis is away", "%d were", n)
	r.noneRefused(to, r.record.now(), "afterwards")
	slowest := r.record.slowestAnswer()
	r.check(slowest <= 2*time.Second, answeredSoon, "the slowest took %v, want 1s or little more", slowest.Round(time.Millisecond))
	r.noneCut(before)
	r.noneGivenUp()
	return nil
}

// redisEmptied: what was passed on to Elasticsearch before stays; every room goes on in
// a new epoch.
func redisEmptied(ctx context.Context, r *run) error {
	before := r.crowd.cuts()
	if err := r.hold(ctx, 0, redisIsEmptied()); err != nil {
		return err
	}
	if err := pause(ctx, away); err != nil {
		return err
	}
	r.noneCut(before)
	epochs := r.record.newEpochs()
	r.check(epochs == r.crowd.size.rooms, "every room begins a new epoch", "%d of %d did", epochs, r.crowd.size.rooms)
	return nil
}

func redisSlow(ctx context.Context, r *run) error {
	before, from := r.crowd.cuts(), r.record.now()
	if err := r.hold(ctx, away, slow(stand.Redis, 200*time.Millisecond)); err != nil {
		return err
	}
	n := r.record.happened(oracle.Acked, from, r.record.now())
	want := r.crowd.size.talkers * int(away/r.crowd.size.every) / 2
	r.check(n >= want, "chat goes on", "%d sends were acked, want %d at least", n, want)
	r.noneCut(before)
	return pause(ctx, 2*time.Second)
}

// partition: nobody is cut off; people of the other servers go on talking. In the end one
// thing is said in each room that the cut off server cannot hear, and no later message shows
// it that it has missed something.
func partition(ctx context.Context, r *run) error {
	before, from := r.crowd.cuts(), r.record.now()
	if err := r.hold(ctx, away, silent(stand.Redis, 0)); err != nil {
		return err
	}
	n := r.record.happened(oracle.Acked, from, r.record.now())
	// Two thirds of the talkers are not concerned, give or take.
	want := r.crowd.size.talkers * int(away/r.crowd.size.every) / 4
	r.check(n >= want, "the others go on", "%d sends were acked meanwhile, want %d at least", n, want)
	r.crowd.hush()
	r.step(ctx, "every send is answered", r.crowd.answered)
	end, err := r.begin(ctx, silent(stand.Redis, 0))
	if err != nil {
		return err
	}
	err = pause(ctx, time.Second)
	for _, room := range r.crowd.rooms {
		err = errors.Join(err, r.post(ctx, 1, room, "the last word"))
	}
	err = errors.Join(err, pause(ctx, 2*time.Second), end(), pause(ctx, afterwards))
	r.noneCut(before)
	r.noneGivenUp()
	return err
}

// post says something by HTTP, as the host, on a server.
func (r *run) post(ctx context.Context, server int, room bw.RoomID, text string) error {
	host, id := r.crowd.word+" host", fmt.Sprintf("host-%d", room)
	var ack struct {
		Epoch bw.Epoch
		Seq   bw.Seq
	}
	e := oracle.Event{Kind: oracle.Sent, Client: host, User: host, Room: int64(room), ID: id, Text: text}
	r.record.add(e)
	at := fmt.Sprintf("%s/v1/chatrooms/%d/messages", r.cluster.Servers[server].URL, room)
	if _, err := stand.Call(ctx, http.MethodPost, at, r.crowd.token, map[string]string{"id": id, "text": text}, &ack); err != nil {
		return fmt.Errorf("sending by HTTP: %w", err)
	}
	e.Kind, e.Epoch, e.Seq, e.Text = oracle.Acked, int64(ack.Epoch), int64(ack.Seq), ""
	r.record.add(e)
	return nil
}

// mysqlAway: nobody notices, and no server is taken for dead afterwards.
func mysqlAway(how func(stand.Dependency) fault) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		before, from := r.crowd.cuts(), r.record.now()
		fenced := r.fenced(ctx)
		end, err := r.begin(ctx, how(stand.MySQL))
		if err != nil {
			return err
		}
		err = errors.Join(pause(ctx, away/2), r.comeBack(ctx))
		r.newcomer(ctx)
		if err := errors.Join(err, pause(ctx, away/2), end(), pause(ctx, 2*lease)); err != nil {
			return err
		}
		r.noneCut(before + returning)
		r.noneRefused(from, r.record.now(), "for MySQL's sake")
		after := r.fenced(ctx)
		r.check(fenced >= 0 && after == fenced, "no server is taken for dead", "the first one has been fenced %v times, before that %v", after, fenced)
		return nil
	}
}

// Expectations while MySQL is away.
const (
	letIn      = "who comes back is let in"
	turnedAway = "who is new is turned away at once"
	// returning is how many lose their connection meanwhile.
	returning = 5
)

// comeBack cuts some off, who know their rooms, and so do the servers.
func (r *run) comeBack(ctx context.Context) error {
	for _, s := range r.crowd.seats[:returning] {
		s.cutOff()
	}
	if err := pause(ctx, time.Second/2); err != nil {
		return err
	}
	began := time.Now()
	err := await(ctx, 10*time.Second, "people to be let in", r.crowd.present)
	r.check(err == nil, letIn, "after %v: %v", time.Since(began).Round(time.Second/10), err)
	return ctx.Err()
}

// newcomer asks for what only MySQL can decide: first some people at once, who may have to
// wait until it is known that it is away, and then one, who need not.
func (r *run) newcomer(ctx context.Context) {
	signUp := func(i int) (status int) {
		name := map[string]string{"name": fmt.Sprintf("%s newcomer %d", r.crowd.word, i)}
		response, _ := stand.Call(ctx, http.MethodPost, r.cluster.Servers[0].URL+"/v1/chatrooms/users", "", name, nil)
		if response == nil {
			return 0
		}
		return response.StatusCode
	}
	var asking sync.WaitGroup
	for i := range 12 {
		asking.Go(func() { signUp(i) })
	}
	asking.Wait()
	began := time.Now()
	status := signUp(12)
	took := time.Since(began)
	r.check(status == http.StatusServiceUnavailable && took < time.Second, turnedAway, "it was answered %d after %v, want 503", status, took.Round(time.Millisecond))
}

// elasticsearchAway: chat goes on; who searches is told to come again.
func elasticsearchAway(how func(stand.Dependency) fault) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		before, from := r.crowd.cuts(), r.record.now()
		end, err := r.begin(ctx, how(stand.Elasticsearch))
		if err != nil {
			return err
		}
		var asking sync.WaitGroup
		var status int
		var took time.Duration
		asking.Go(func() {
			began := time.Now()
			status = r.search(ctx)
			took = time.Since(began)
		})
		err = pause(ctx, away)
		asking.Wait()
		if err := errors.Join(err, end()); err != nil {
			return err
		}
		r.check(status == http.StatusServiceUnavailable && took < away, "a search says that it is not possible now", "it answered %d after %v, want 503", status, took.Round(time.Second/10))
		r.noneCut(before)
		r.noneRefused(from, r.record.now(), "for Elasticsearch's sake")
		return r.searchable(ctx)
	}
}

// search looks for what is said in the first room and gives the status, 0 for none.
func (r *run) search(ctx context.Context) int {
	at := fmt.Sprintf("%s/v1/chatrooms/%d/messages/search?q=%s", r.crowd.url, r.crowd.rooms[0], url.QueryEscape("says"))
	response, err := stand.Call(ctx, http.MethodGet, at, r.crowd.token, nil, nil)
	if response == nil {
		return 0
	}
	if err != nil && response.StatusCode < http.StatusMultipleChoices {
		return 0
	}
	return response.StatusCode
}

// searchable expects that searches work again soon.
func (r *run) searchable(ctx context.Context) error {
	began := time.Now()
	err := await(ctx, stand.Patience, "a search to work again", func() error {
		if status := r.search(ctx); status != http.StatusOK {
			return fmt.Errorf("it answered %d", status)
		}
		return nil
	})
	r.check(err == nil, "a search works again", "after %v", time.Since(began).Round(time.Second/10))
	return ctx.Err()
}

// bulkFailures: what failed is tried again; what was stored all the same is there once.
func bulkFailures(ctx context.Context, r *run) error {
	before := r.net.FailedItems()
	if err := r.hold(ctx, away, itemsFail(10)); err != nil {
		return err
	}
	n := r.net.FailedItems() - before
	r.check(n > 0, "messages fail in Elasticsearch", "%d did", n)
	return nil
}
