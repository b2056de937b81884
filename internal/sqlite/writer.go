package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of Writer.Do before the function ran.
var (
	ErrQueueFull = errors.New("too much waits to be written")
	ErrClosed    = errors.New("the database is closed")
)

// groupLimit bounds how many functions share one commit, so that the first of
// them does not wait for ever.
const groupLimit = 256

// Writer is the one connection that changes the database.
type Writer struct {
	queue chan *job
	done  chan struct{} // closed when the goroutine has returned

	mu     sync.RWMutex // held to read while sending to queue: Close never closes it under a sender
	closed bool

	// Owned by the goroutine.
	db      *sql.DB
	tx      *Tx
	metrics *metrics
}

// job is one function on its way through the writer.
type job struct {
	fn func(*Tx) error
	// taken is set by whoever decides first: the writer that runs it, or the
	// caller that gives up.
	taken  atomic.Bool
	result chan error
	err    error
}

func openWriter(ctx context.Context, cfg Config) (*Writer, error) {
	db, err := sql.Open(driver, source(cfg.Path, cfg.WriterCache))
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	w := &Writer{
		queue: make(chan *job, cfg.Queue), done: make(chan struct{}),
		db: db, tx: &Tx{conn: conn, stmts: make(map[string]*sql.Stmt)},
	}
	w.metrics, err = newMetrics(cfg.Registerer, cfg.Name, func() float64 { return float64(len(w.queue)) })
	if err != nil {
		return nil, errors.Join(err, conn.Close(), db.Close())
	}
	go w.loop()
	return w, nil
}

// Do runs fn in a transaction and returns when that is committed: nil means
// durable. Functions that arrive while a commit runs share the next one, in the
// order of their arrival; an error of fn undoes what fn did and nothing else,
// and is returned as it is. When the commit itself fails nothing of the group is
// stored, and all are told.
//
// fn runs in another goroutine, at most once, and never after Do returned: a
// caller whose context ends before its turn is let go, one whose turn has come
// waits. ErrQueueFull and ErrClosed mean that fn did not run.
func (w *Writer) Do(ctx context.Context, fn func(*Tx) error) error {
	j := &job{fn: fn, result: make(chan error, 1)}
	if err := w.submit(j); err != nil {
		return err
	}
	select {
	case err := <-j.result:
		return err
	case <-ctx.Done():
	}
	if j.taken.CompareAndSwap(false, true) {
		return fmt.Errorf("wait for the writer: %w", ctx.Err())
	}
	return <-j.result
}

func (w *Writer) submit(j *job) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return ErrClosed
	}
	select {
	case w.queue <- j:
		return nil
	default:
		w.metrics.full.Inc()
		return ErrQueueFull
	}
}

// Close runs what was accepted, commits it, and closes the connection.
func (w *Writer) Close() error {
	w.mu.Lock()
	closed := w.closed
	w.closed = true
	if !closed {
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.done
	if closed {
		return nil
	}
	for _, stmt := range w.tx.stmts {
		_ = stmt.Close() // closing the connection finalizes it anyway
	}
	return errors.Join(w.tx.conn.Close(), w.db.Close())
}

// loop takes what waits as one group, until the queue is closed and empty.
func (w *Writer) loop() {
	defer close(w.done)
	group := make([]*job, 0, groupLimit)
	for j := range w.queue {
		group = w.gather(append(group[:0], j))
		start := time.Now()
		w.metrics.observe(start, len(group), w.commit(group))
		clear(group)
	}
}

// gather adds everything that waits, without waiting for more.
func (w *Writer) gather(group []*job) []*job {
	for len(group) < groupLimit {
		select {
		case j, ok := <-w.queue:
			if !ok {
				return group
			}
			group = append(group, j)
		default:
			return group
		}
	}
	return group
}

// commit runs a group in one transaction and answers all of it.
func (w *Writer) commit(group []*job) error {
	err := w.tx.run("BEGIN IMMEDIATE")
	if err == nil {
		for _, j := range group {
			if err = w.runOne(j, len(group) == 1); err != nil {
				break
			}
		}
		if err == nil {
			err = w.tx.run("COMMIT")
		}
		if err != nil {
			// After some failures (a full disk) SQLite has rolled back by itself,
			// then this one fails and that is well.
			_ = w.tx.run("ROLLBACK")
		}
	}
	for _, j := range group {
		if err != nil {
			j.result <- fmt.Errorf("commit: %w", errors.Join(j.err, err))
		} else {
			j.result <- j.err
		}
	}
	return err
}

// runOne runs one function behind a savepoint. Its own error goes into the job;
// the returned one says that the transaction is lost.
func (w *Writer) runOne(j *job, alone bool) error {
	if !j.taken.CompareAndSwap(false, true) {
		return nil // its caller has gone
	}
	if alone {
		// The whole transaction is its savepoint.
		if j.err = j.fn(w.tx); j.err == nil {
			return nil
		}
		return w.tx.run("ROLLBACK", "BEGIN IMMEDIATE")
	}
	if err := w.tx.run("SAVEPOINT one"); err != nil {
		return err
	}
	if j.err = j.fn(w.tx); j.err != nil {
		return w.tx.run("ROLLBACK TO one", "RELEASE one")
	}
	return w.tx.run("RELEASE one")
}
