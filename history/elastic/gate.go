package elastic

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/breakwater-chat/breakwater/migrations"
)

const (
	// trip is how many failures in a row mean that Elasticsearch is away.
	trip = 5
	// rest is how long it is not asked then, before one call tries.
	rest = 2 * time.Second
	// fair is how long a caller has to wait for an answer before that there was
	// none says something about Elasticsearch rather than about the caller.
	fair = time.Second
)

// errGaveUp marks calls that ended with their caller and tell nothing else.
var errGaveUp = errors.New("the caller did not wait for the answer")

// gate lets a bounded number of calls through at once, and none for a while
// after several have failed. Pages and searches have one each: searches that are
// too much for Elasticsearch must not close the way to the pages.
type gate struct {
	name    string
	turns   chan struct{}
	timeout time.Duration
	breaker *gobreaker.CircuitBreaker[struct{}]
	refused atomic.Int64 // calls that found it closed
}

func newGate(name string, width int, timeout time.Duration, log *slog.Logger) *gate {
	return &gate{
		name: name, turns: make(chan struct{}, width), timeout: timeout,
		breaker: gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
			Name:         name,
			Timeout:      rest,
			ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= trip },
			IsSuccessful: func(err error) bool { return !isOutage(err) },
			IsExcluded:   func(err error) bool { return errors.Is(err, errGaveUp) },
			OnStateChange: func(name string, _, to gobreaker.State) {
				log.Warn("the way to Elasticsearch has changed", "for", name, "breaker", to.String())
			},
		}),
	}
}

// pass makes a call in its turn; its context ends with the gate's timeout. The
// error is Unavailable.
func (g *gate) pass(ctx context.Context, call func(context.Context) error) error {
	select {
	case g.turns <- struct{}{}:
		defer func() { <-g.turns }()
	case <-ctx.Done():
		return unavailable(fmt.Errorf("wait for other %s: %w", g.name, ctx.Err()))
	}
	_, err := g.breaker.Execute(func() (struct{}, error) {
		began := time.Now()
		timed, cancel := context.WithTimeout(ctx, g.timeout)
		defer cancel()
		err := call(timed)
		if err != nil && ctx.Err() != nil && (errors.Is(ctx.Err(), context.Canceled) || time.Since(began) < fair) {
			err = fmt.Errorf("%w: %w", errGaveUp, err)
		}
		return struct{}{}, err
	})
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		g.refused.Add(1)
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// isOutage tells whether an error is about Elasticsearch as a whole; that it
// does not understand a question, or lacks a step of the schema, is not.
func isOutage(err error) bool {
	var answer *statusError
	if errors.As(err, &answer) {
		switch answer.status {
		case http.StatusTooManyRequests, http.StatusUnauthorized, http.StatusForbidden:
			return true
		}
		return answer.status >= http.StatusInternalServerError
	}
	return err != nil && !errors.Is(err, migrations.ErrOlderSchema)
}

// statusError is an answer that is none to what was asked.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("Elasticsearch answered with status %d: %.500s", e.status, e.text)
}
