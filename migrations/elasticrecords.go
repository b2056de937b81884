package migrations

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// place is which version of a document was read or written. The zero place is
// that of a document that is not there: its term is never 0.
type place struct {
	Seq  int64 `json:"_seq_no"`
	Term int64 `json:"_primary_term"`
}

// read gets a document. One that is not there leaves it as it is.
func (r records) read(ctx context.Context, name string, document any) (place, error) {
	var found struct {
		place
		Source json.RawMessage `json:"_source"`
	}
	status, err := r.call(ctx, http.MethodGet, r.path("_doc", name), nil, &found, http.StatusOK, http.StatusNotFound)
	if err == nil && status == http.StatusOK {
		err = json.Unmarshal(found.Source, document)
	}
	if err != nil {
		return place{}, fmt.Errorf("read %s of the migrations: %w", name, err)
	}
	if status == http.StatusNotFound {
		return place{}, nil
	}
	return found.place, nil
}

// write puts a document in the place of the version that was read. It is not ok
// if there is another one by now.
func (r records) write(ctx context.Context, name string, document any, old place) (at place, ok bool, err error) {
	path := r.path("_create", name)
	if old != (place{}) {
		path = r.path("_doc", name) + old.condition()
	}
	status, err := r.call(ctx, http.MethodPut, path, document, &at, http.StatusOK, http.StatusCreated, http.StatusConflict)
	if err != nil {
		return place{}, false, fmt.Errorf("write %s of the migrations: %w", name, err)
	}
	return at, status != http.StatusConflict, nil
}

func (r records) path(kind, name string) string {
	return "/" + r.prefix + "-migrations/" + kind + "/" + name
}

func (p place) condition() string {
	return fmt.Sprintf("?if_seq_no=%d&if_primary_term=%d", p.Seq, p.Term)
}

// call does a request and reads the answer into what answer points to. A status
// that is not among those expected is an error that says why.
func (r records) call(ctx context.Context, method, path string, body, answer any, expected ...int) (int, error) {
	var sent []byte
	if body != nil {
		var err error
		if sent, err = json.Marshal(body); err != nil {
			return 0, err
		}
	}
	status, text, err := r.callWhenReady(ctx, method, path, sent)
	if err != nil {
		return 0, err
	}
	if !slices.Contains(expected, status) {
		return 0, fmt.Errorf("%s %s: got status %d: %.300s", method, path, status, text)
	}
	if answer == nil {
		return status, nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return 0, fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	return status, nil
}

// How long the records are waited for, and how long about between two looks.
const (
	readyTime = 20 * time.Second
	readyPoll = 200 * time.Millisecond
)

// callWhenReady waits out that the index of records has no shard yet: another host
// may have made it a moment ago, on a cluster that is busy.
func (r records) callWhenReady(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	giveUp := time.NewTimer(readyTime)
	defer giveUp.Stop()
	for {
		status, answer, err = r.es.Call(ctx, method, path, body)
		if err != nil || status != http.StatusServiceUnavailable {
			return status, answer, err
		}
		select {
		case <-time.After(readyPoll/2 + mathrand.N(readyPoll)):
		case <-giveUp.C:
			return status, answer, nil
		case <-ctx.Done():
			return status, answer, nil
		}
	}
}

const (
	// lockTerm is how long a lock is held without being renewed: far longer than a
	// step takes, and than clocks of servers differ.
	lockTerm = time.Minute
	// lockPoll is about how often those who wait look at it.
	lockPoll = 200 * time.Millisecond
)

// elasticLock is the right to make steps.
type elasticLock struct {
	r     records
	owner string
	at    place
}

type lockRecord struct {
	Owner   string    `json:"owner"`
	Expires time.Time `json:"expires"`
}

// takeLock waits for the lock, or until ctx ends. That of an owner who died is
// taken over when it has expired.
func takeLock(ctx context.Context, r records) (*elasticLock, error) {
	l := &elasticLock{r: r, owner: rand.Text()}
	for {
		ok, err := l.try(ctx)
		if err != nil {
			return nil, err
		}
		if ok {
			return l, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another host that migrates: %w", ctx.Err())
		case <-time.After(lockPoll/2 + mathrand.N(lockPoll)):
		}
	}
}

func (l *elasticLock) try(ctx context.Context) (ok bool, err error) {
	var found lockRecord
	at, err := l.r.read(ctx, lockDocument, &found)
	if err != nil {
		return false, err
	}
	// One of this owner was written by a request whose answer was lost.
	if found.Owner != "" && found.Owner != l.owner && time.Now().Before(found.Expires) {
		return false, nil
	}
	l.at, ok, err = l.r.write(ctx, lockDocument, lockRecord{l.owner, time.Now().Add(lockTerm)}, at)
	return ok, err
}

// renew holds the lock for another term. It fails if it was lost.
func (l *elasticLock) renew(ctx context.Context) error {
	ok, err := l.try(ctx)
	if err == nil && !ok {
		err = errors.New("the right to migrate was lost to another host")
	}
	return err
}

// release gives the lock back, also when ctx has ended: others wait for it.
func (l *elasticLock) release(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	_, err := l.r.call(ctx, http.MethodDelete, l.r.path("_doc", lockDocument)+l.at.condition(), nil, nil,
		http.StatusOK, http.StatusNotFound, http.StatusConflict)
	if err != nil {
		return fmt.Errorf("let others migrate: %w", err)
	}
	return nil
}
