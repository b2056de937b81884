package sqlite

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestWaitingWritesShareOneCommit(t *testing.T) {
	registry := prometheus.NewRegistry()
	db := open(t, Config{Name: "test", Registerer: registry})
	release := db.hold(t)
	const writes = 100
	errs := goDo(db, writes, insert)
	eventually(t, "all writes wait", func() bool { return len(db.queue) == writes })
	release()
	for range writes {
		if err := <-errs; err != nil {
			t.Fatalf("write: %v", err)
		}
	}
	if got := db.count(t); got != writes {
		t.Errorf("rows: got %d, want %d", got, writes)
	}
	commits, functions := groups(t, registry)
	if commits != 2 || functions != writes+1 {
		t.Errorf("got %d commits for %d functions, want 2 for %d", commits, functions, writes+1)
	}
}

func TestAFailureUndoesItselfAlone(t *testing.T) {
	boom := errors.New("boom")
	fails := func(n int) func(*Tx) error {
		return func(tx *Tx) error {
			if err := insert(n)(tx); err != nil || n%2 == 0 {
				return errors.Join(err, boom)
			}
			return nil
		}
	}
	t.Run("in a group", func(t *testing.T) {
		db := open(t, Config{})
		release := db.hold(t)
		errs := goDo(db, 10, fails)
		eventually(t, "all writes wait", func() bool { return len(db.queue) == 10 })
		release()
		failed := 0
		for range 10 {
			if err := <-errs; errors.Is(err, boom) {
				failed++
			} else if err != nil {
				t.Errorf("got error %v, want none or boom", err)
			}
		}
		if got := db.count(t); failed != 5 || got != 5 {
			t.Errorf("got %d failures and %d rows, want 5 and 5", failed, got)
		}
	})
	t.Run("alone", func(t *testing.T) {
		db := open(t, Config{})
		if err := db.Do(t.Context(), fails(2)); !errors.Is(err, boom) {
			t.Errorf("got error %v, want boom", err)
		}
		if err := db.Do(t.Context(), fails(3)); err != nil {
			t.Errorf("the write after it: %v", err)
		}
		if got := db.count(t); got != 1 {
			t.Errorf("got %d rows, want 1", got)
		}
	})
	t.Run("a statement's own", func(t *testing.T) {
		db := open(t, Config{})
		if err := errors.Join(db.Do(t.Context(), insert(1)), db.Do(t.Context(), insert(2))); err != nil {
			t.Fatal(err)
		}
		if err := db.Do(t.Context(), insert(1)); !IsUnique(err) {
			t.Errorf("got error %v, want one of a unique key", err)
		}
	})
}

func TestALostTransactionFailsTheWholeGroup(t *testing.T) {
	db := open(t, Config{})
	release := db.hold(t)
	errs := make(chan error, 3)
	for i, fn := range []func(*Tx) error{
		insert(1),
		func(tx *Tx) error { // what a full disk does
			return errors.Join(tx.run("ROLLBACK"), errors.New("disk full"))
		},
		insert(3),
	} {
		go func() { errs <- db.Do(context.Background(), fn) }()
		eventually(t, "the write waits", func() bool { return len(db.queue) == i+1 })
	}
	release()
	for range 3 {
		if err := <-errs; err == nil {
			t.Error("a write of the lost transaction was called durable")
		}
	}
	if got := db.count(t); got != 0 {
		t.Errorf("got %d rows, want none", got)
	}
	if err := db.Do(t.Context(), insert(4)); err != nil {
		t.Errorf("the next transaction: %v", err)
	}
}

func TestWritesKeepTheirOrder(t *testing.T) {
	db := open(t, Config{})
	release := db.hold(t)
	var got []int
	errs := make(chan error, 20)
	for i := range 20 {
		go func() {
			errs <- db.Do(context.Background(), func(*Tx) error { got = append(got, i); return nil })
		}()
		eventually(t, "the write waits", func() bool { return len(db.queue) == i+1 })
	}
	release()
	for range 20 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != 20 || !slices.IsSorted(got) {
		t.Errorf("got order %v, want that of arrival", got)
	}
}

func TestAFullQueueRefuses(t *testing.T) {
	db := open(t, Config{Queue: 2})
	release := db.hold(t)
	errs := goDo(db, 2, insert)
	eventually(t, "the queue is full", func() bool { return len(db.queue) == 2 })
	if err := db.Do(t.Context(), insert(9)); !errors.Is(err, ErrQueueFull) {
		t.Errorf("got error %v, want ErrQueueFull", err)
	}
	release()
	if err := errors.Join(<-errs, <-errs); err != nil {
		t.Errorf("the accepted writes: %v", err)
	}
}

func TestACallerThatGivesUpIsNotRun(t *testing.T) {
	db := open(t, Config{})
	release := db.hold(t)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- db.Do(ctx, insert(1)) }()
	eventually(t, "the write waits", func() bool { return len(db.queue) == 1 })
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	release()
	if err := db.Do(t.Context(), insert(2)); err != nil {
		t.Fatal(err)
	}
	if got := db.count(t); got != 1 {
		t.Errorf("got %d rows, want 1: the write that was given up was made", got)
	}
}

func TestCloseAnswersEverything(t *testing.T) {
	db := open(t, Config{})
	release := db.hold(t)
	errs := goDo(db, 50, insert)
	eventually(t, "all writes wait", func() bool { return len(db.queue) == 50 })
	closed := make(chan error, 1)
	go func() { closed <- db.Writer.Close() }()
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	eventually(t, "the writer refuses", func() bool {
		return errors.Is(db.Do(impatient, insert(99)), ErrClosed)
	})
	release()
	for range 50 {
		if err := <-errs; err != nil {
			t.Errorf("an accepted write: %v", err)
		}
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if got := db.count(t); got != 50 {
		t.Errorf("got %d rows, want 50", got)
	}
}

// goDo submits writes of the numbers 0..n-1 from as many goroutines.
func goDo(db *DB, n int, fn func(int) func(*Tx) error) <-chan error {
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- db.Do(context.Background(), fn(i)) }()
	}
	return errs
}

func groups(t *testing.T, registry *prometheus.Registry) (commits, functions int) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "breakwater_sqlite_group_size" {
			h := f.GetMetric()[0].GetHistogram()
			return int(h.GetSampleCount()), int(h.GetSampleSum())
		}
	}
	t.Fatal("no metric breakwater_sqlite_group_size")
	return 0, 0
}
