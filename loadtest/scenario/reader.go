package scenario

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/crowd"
	"github.com/breakwater-chat/breakwater/loadtest/report"
	"github.com/breakwater-chat/breakwater/loadtest/swarm"
)

// Names of what is asked by HTTP: latencies from the intended time, and counts.
const (
	searched = "search"
	paged    = "page"
)

const (
	readers = 8
	// waiting bounds the questions that wait for a reader; further ones are an error.
	waiting = 1000
)

// question is a GET whose answer is not looked at.
type question struct {
	kind, path, token string
	intended          time.Duration
}

// reader asks what searches and pages are, in goroutines of its own.
type reader struct {
	api   *api
	clock swarm.Clock
	ctx   context.Context
	stop  context.CancelFunc
	// questions wait here; only the actor sends, and closes it.
	questions chan question
	running   sync.WaitGroup

	mu      sync.Mutex
	tally   *report.Tally
	pending int // questions without an answer
}

func newReader(ctx context.Context, a *api, clock swarm.Clock) *reader {
	r := &reader{api: a, clock: clock, questions: make(chan question, waiting), tally: report.NewTally()}
	r.ctx, r.stop = context.WithCancel(ctx)
	for range readers {
		r.running.Go(r.work)
	}
	return r
}

// ask queues a question.
func (r *reader) ask(q question) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.questions <- q:
		r.pending++
	default:
		r.tally.Add(crowd.ErrorPrefix+"not_taken", 1)
	}
}

// idle tells whether all questions have their answers.
func (r *reader) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pending == 0
}

func (r *reader) work() {
	for q := range r.questions {
		err := r.api.call(r.ctx, "GET", q.path, q.token, nil, nil)
		took := r.clock.Now() - q.intended
		r.answered(q.kind, took, err)
	}
}

// answered counts an answer, unless it is the run's end that has cut it off.
func (r *reader) answered(kind string, took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending--
	switch {
	case err == nil:
		r.tally.Add(kind, 1)
		r.tally.Observe(kind, took)
	case r.ctx.Err() == nil:
		r.tally.Add(crowd.ErrorPrefix+kind+" "+codeOf(err), 1)
	}
}

// collect moves what was measured into a tally.
func (r *reader) collect(into *report.Tally) {
	r.mu.Lock()
	defer r.mu.Unlock()
	into.Merge(r.tally)
}

// close ends all questions and waits for the goroutines.
func (r *reader) close() {
	r.stop()
	close(r.questions)
	r.running.Wait()
	r.api.close()
}

// search asks for what somebody has said in his room.
func (a *actor) search(intended time.Duration) question {
	m := a.Members[a.random.IntN(len(a.Members))]
	words := url.QueryEscape(fmt.Sprintf("%s %d", a.Run, m.Number))
	return question{searched, messagesOf(m.Room) + "/search?q=" + words, m.Token, intended}
}

// page asks for a page somewhere in a room's past.
func (a *actor) page(intended time.Duration) question {
	m := a.Members[a.random.IntN(len(a.Members))]
	before := 1 + a.random.Int64N(max(1, int64(a.crowd.Head(m.Room).Seq)))
	return question{paged, messagesOf(m.Room) + "?before=" + strconv.FormatInt(before, 10), m.Token, intended}
}

func messagesOf(room bw.RoomID) string {
	return "/v1/chatrooms/" + strconv.FormatInt(int64(room), 10) + "/messages"
}
