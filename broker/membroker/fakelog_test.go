package membroker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	bw "github.com/breakwater-chat/breakwater"
)

var errDisk = errors.New("disk on fire")

// fakeLog is a Log in memory whose calls can fail and stall on demand. It
// outlives the brokers over it, as a disk does.
type fakeLog struct {
	mu    sync.Mutex // guards the rest
	epoch bw.Epoch
	rooms map[bw.RoomID][]bw.Message
	sends map[fakeKey][]bw.Message
	// commits are the sizes of the batches stored.
	commits []int
	finds   int
	// hidden is a seq that ReadAfter does not find; 0 for none.
	hidden bw.Seq
	// onCommit and onRead, if not nil, decide what the next calls do.
	onCommit func(batch []bw.Message) fault
	onRead   func() error
}

type fakeKey struct {
	room bw.RoomID
	user bw.Name
	id   bw.MessageID
}

// fault is what becomes of a commit.
type fault int

const (
	noFault fault = iota
	failNotStored
	failButStored
)

func newFakeLog() *fakeLog {
	return &fakeLog{epoch: 1_000, rooms: map[bw.RoomID][]bw.Message{}, sends: map[fakeKey][]bw.Message{}}
}

func (l *fakeLog) Head(_ context.Context, room bw.RoomID) (bw.Position, bw.Millis, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.readFault(); err != nil {
		return bw.Position{}, 0, err
	}
	log := l.rooms[room]
	if len(log) == 0 {
		return bw.Position{Epoch: l.epoch}, 0, nil
	}
	newest := log[len(log)-1]
	return bw.Position{Epoch: l.epoch, Seq: newest.Seq}, newest.Timestamp, nil
}

func (l *fakeLog) Commit(_ context.Context, batch []bw.Message) error {
	l.mu.Lock()
	decide := l.onCommit
	l.mu.Unlock()
	what := noFault
	if decide != nil {
		what = decide(batch)
	}
	if what == failNotStored {
		return errDisk
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range batch {
		log := l.rooms[m.Room]
		if len(log) > 0 && m.Seq <= log[len(log)-1].Seq {
			// A real log has a primary key there.
			return fmt.Errorf("room %d: seq %d committed after seq %d", m.Room, m.Seq, log[len(log)-1].Seq)
		}
		l.rooms[m.Room] = append(log, m)
		k := fakeKey{m.Room, m.User, m.ID}
		l.sends[k] = append(l.sends[k], m)
	}
	l.commits = append(l.commits, len(batch))
	if what == failButStored {
		return errDisk
	}
	return nil
}

func (l *fakeLog) FindSend(_ context.Context, room bw.RoomID, user bw.Name, id bw.MessageID, since bw.Millis) (bw.Message, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finds++
	if err := l.readFault(); err != nil {
		return bw.Message{}, false, err
	}
	found := l.sends[fakeKey{room, user, id}]
	if len(found) == 0 || found[len(found)-1].Timestamp < since {
		return bw.Message{}, false, nil
	}
	return found[len(found)-1], true, nil
}

func (l *fakeLog) ReadAfter(_ context.Context, room bw.RoomID, after bw.Seq, limit int) ([]bw.Message, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.readFault(); err != nil {
		return nil, err
	}
	read := slices.DeleteFunc(slices.Clone(l.rooms[room]), func(m bw.Message) bool {
		return m.Seq <= after || m.Seq == l.hidden
	})
	return read[:min(limit, len(read))], nil
}

func (l *fakeLog) readFault() error {
	if l.onRead == nil {
		return nil
	}
	return l.onRead()
}

// setFaults sets what the next calls do; nil makes the log well again.
func (l *fakeLog) setFaults(commit func([]bw.Message) fault, read func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onCommit, l.onRead = commit, read
}

// stored is the room's log.
func (l *fakeLog) stored(room bw.RoomID) []bw.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.rooms[room])
}

func (l *fakeLog) findCount() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.finds
}

// truncate loses what is newer than seq.
func (l *fakeLog) truncate(room bw.RoomID, seq bw.Seq) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rooms[room] = l.rooms[room][:seq]
}

// hide makes one seq unreadable.
func (l *fakeLog) hide(seq bw.Seq) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hidden = seq
}

// beginEpoch starts a new life of every room's log above what it has.
func (l *fakeLog) beginEpoch(epoch bw.Epoch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch = epoch
}
