package sqlitefts

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/internal/sqlite"
)

const (
	selectIndexed   = "SELECT arrival FROM indexed"
	selectNewest    = "SELECT COALESCE(max(arrival), 0) FROM messages"
	selectUnindexed = "SELECT arrival, room, user, text FROM messages WHERE arrival > ? ORDER BY arrival LIMIT ?"
	insertWords     = "INSERT INTO word_index (rowid, scope, words) VALUES (?, ?, ?)"
	moveIndexed     = "UPDATE indexed SET arrival = ? WHERE arrival = ?"
)

// indexBatch bounds the messages that enter the index in one transaction: some
// milliseconds for which a commit may have to wait.
const indexBatch = 128

// indexer feeds the search index from the log. What has been done is written
// in the transaction that does it, so a crash neither loses nor repeats.
type indexer struct {
	db    *sqlite.DB
	delay time.Duration
	log   *slog.Logger

	dirty chan struct{} // holds one when something may wait
	turn  chan struct{} // holds one while nobody indexes
	stop  context.CancelFunc
	done  chan struct{} // closed when the goroutine has returned
}

func startIndexer(db *sqlite.DB, cfg Config) *indexer {
	ctx, stop := context.WithCancel(context.Background())
	x := &indexer{
		db: db, delay: cfg.IndexDelay, log: cfg.Log,
		dirty: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		stop: stop, done: make(chan struct{}),
	}
	x.turn <- struct{}{}
	x.wake() // for what a crash left out
	go x.loop(ctx)
	return x
}

// wake says that messages were committed. It never blocks.
func (x *indexer) wake() {
	select {
	case x.dirty <- struct{}{}:
	default:
	}
}

func (x *indexer) close() {
	x.stop()
	<-x.done
}

func (x *indexer) loop(ctx context.Context) {
	defer close(x.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-x.dirty:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(x.delay):
		}
		if err := x.catchUp(ctx); err != nil && ctx.Err() == nil {
			x.log.Warn("indexing messages failed, will try again", "error", err)
			x.wake()
		}
	}
}

// catchUp indexes everything that was committed when it was called.
func (x *indexer) catchUp(ctx context.Context) error {
	var newest, indexed int64
	if err := x.db.QueryRow(ctx, selectNewest).Scan(&newest); err != nil {
		return fmt.Errorf("find the newest message: %w", err)
	}
	for {
		if err := x.db.QueryRow(ctx, selectIndexed).Scan(&indexed); err != nil {
			return fmt.Errorf("find the newest indexed message: %w", err)
		}
		if indexed >= newest {
			return nil
		}
		if err := x.step(ctx); err != nil {
			return err
		}
	}
}

// step indexes the next batch, or waits for whoever does.
func (x *indexer) step(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait for the search index: %w", ctx.Err())
	case <-x.turn:
	}
	defer func() { x.turn <- struct{}{} }()
	var indexed int64
	if err := x.db.QueryRow(ctx, selectIndexed).Scan(&indexed); err != nil {
		return fmt.Errorf("find the newest indexed message: %w", err)
	}
	batch, err := x.next(ctx, indexed)
	if err != nil || len(batch) == 0 {
		return err
	}
	if err := x.db.Do(ctx, func(tx *sqlite.Tx) error { return enter(tx, indexed, batch) }); err != nil {
		return fmt.Errorf("index messages: %w", err)
	}
	return nil
}

// line is a message as the index takes it.
type line struct {
	arrival      int64
	scope, words string
}

// next reads the messages after the indexed ones and cuts them into words,
// while the writer is free for others.
func (x *indexer) next(ctx context.Context, indexed int64) ([]line, error) {
	rows, err := x.db.Query(ctx, selectUnindexed, indexed, indexBatch)
	if err != nil {
		return nil, fmt.Errorf("read messages to index: %w", err)
	}
	defer rows.Close()
	batch := make([]line, 0, indexBatch)
	for rows.Next() {
		var l line
		var room bw.RoomID
		var user bw.Name
		var text string
		if err := rows.Scan(&l.arrival, &room, &user, &text); err != nil {
			return nil, fmt.Errorf("read a message to index: %w", err)
		}
		l.scope = roomWord(room) + " " + userWord(user)
		l.words = strings.Join(history.Words(text), " ")
		batch = append(batch, l)
	}
	return batch, rows.Err()
}

// enter writes a batch into the index, unless another process has.
func enter(tx *sqlite.Tx, indexed int64, batch []line) error {
	result, err := tx.Exec(moveIndexed, batch[len(batch)-1].arrival, indexed)
	if err != nil {
		return err
	}
	if moved, err := result.RowsAffected(); err != nil || moved == 0 {
		return err
	}
	for _, l := range batch {
		if _, err := tx.Exec(insertWords, l.arrival, l.scope, l.words); err != nil {
			return fmt.Errorf("message %d: %w", l.arrival, err)
		}
	}
	return nil
}

// roomWord and userWord stand for a room and a user in the index's scope. Names
// differ by case, which the tokenizer would not see, so they are spelled in hex.
func roomWord(room bw.RoomID) string { return "r" + strconv.FormatInt(int64(room), 10) }
func userWord(user bw.Name) string   { return "u" + hex.EncodeToString([]byte(user)) }
