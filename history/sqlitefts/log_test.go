package sqlitefts

import (
	"errors"
	"sync"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/history"
	"github.com/breakwater-chat/breakwater/internal/sqlite"
)

func TestHeadBeginsALogOnce(t *testing.T) {
	path := file(t)
	d := open(t, path)
	before := bw.MillisOf(time.Now())
	heads := make([]bw.Position, 8)
	var all sync.WaitGroup
	for i := range heads {
		all.Go(func() {
			pos, last, err := d.Head(t.Context(), 3)
			if err != nil || last != 0 {
				t.Errorf("head of a new room: last %d, error %v", last, err)
			}
			heads[i] = pos
		})
	}
	all.Wait()
	for _, pos := range heads {
		if pos != heads[0] || pos.Seq != 0 || pos.Epoch < bw.Epoch(before) {
			t.Errorf("got heads %v, want one epoch not before %d and seq 0", heads, before)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, path)
	if pos, _, err := again.Head(t.Context(), 3); err != nil || pos != heads[0] {
		t.Errorf("after reopening: got %v and %v, want %v", pos, err, heads[0])
	}
}

func TestHeadFollowsTheMessages(t *testing.T) {
	d := open(t, file(t))
	if err := d.Commit(t.Context(), lines(1, 1, 3)); err != nil {
		t.Fatal(err)
	}
	want := bw.Position{Epoch: 5, Seq: 3}
	if pos, last, err := d.Head(t.Context(), 1); err != nil || pos != want || last != 3000 {
		t.Errorf("got %v, last %d, error %v; want %v, 3000", pos, last, err, want)
	}
	first, err := d.ReadAfter(t.Context(), 1, 1, 1)
	if err != nil || len(first) != 1 || first[0] != lines(1, 2, 2)[0] {
		t.Errorf("ReadAfter 1, limit 1: got %+v and %v", first, err)
	}
}

func TestCommitIsAllOrNothing(t *testing.T) {
	d := open(t, file(t))
	if err := d.Commit(t.Context(), lines(1, 1, 3)); err != nil {
		t.Fatal(err)
	}
	bad := append(lines(2, 1, 2), lines(1, 3, 4)...) // seq 3 is taken
	if err := d.Commit(t.Context(), bad); bw.KindOf(err) != bw.Unavailable {
		t.Errorf("a seq twice: got error %v, want unavailable", err)
	}
	for room, want := range map[bw.RoomID]int{1: 3, 2: 0} {
		if got, err := d.ReadAfter(t.Context(), room, 0, 10); err != nil || len(got) != want {
			t.Errorf("room %d: got %d messages and %v, want %d", room, len(got), err, want)
		}
	}
	if got := search(t, d, "needle").Total; got != 3 {
		t.Errorf("search finds %d, want 3", got)
	}
}

func TestFindSend(t *testing.T) {
	d := open(t, file(t))
	batch := lines(1, 1, 4)
	batch[1].ID, batch[3].ID = "same", "same"
	batch[2].User = "bob"
	if err := d.Commit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name  string
		room  bw.RoomID
		user  bw.Name
		id    bw.MessageID
		since bw.Millis
		want  bw.Seq
	}{
		{"the only one", 1, "ann", "id1", 0, 1},
		{"the newest of two", 1, "ann", "same", 0, 4},
		{"at since", 1, "ann", "same", 4000, 4},
		{"older than since", 1, "ann", "same", 4001, 0},
		{"another user's", 1, "ann", "id3", 0, 0},
		{"another room's", 2, "ann", "id1", 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, found, err := d.FindSend(t.Context(), row.room, row.user, row.id, row.since)
			if err != nil || found != (row.want != 0) || m.Seq != row.want {
				t.Errorf("got seq %d, found %v, error %v; want seq %d", m.Seq, found, err, row.want)
			}
		})
	}
}

func TestEverythingCommittedSurvivesReopening(t *testing.T) {
	path := file(t)
	d := open(t, path)
	var all sync.WaitGroup
	for room := range bw.RoomID(8) {
		all.Go(func() {
			for seq := range bw.Seq(25) {
				if err := d.Commit(t.Context(), lines(room+1, 2*seq+1, 2*seq+2)); err != nil {
					t.Errorf("commit: %v", err)
				}
			}
		})
	}
	all.Wait()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, path)
	for room := range bw.RoomID(8) {
		if got, err := d.ReadAfter(t.Context(), room+1, 0, 100); err != nil || len(got) != 50 {
			t.Errorf("room %d: got %d messages and %v, want 50", room+1, len(got), err)
		}
	}
	if got := search(t, d, "needle").Total; got != 400 {
		t.Errorf("search finds %d, want 400", got)
	}
}

func TestAnInterruptedIndexCatchesUp(t *testing.T) {
	path := file(t)
	d, err := Open(t.Context(), Config{Path: path, IndexDelay: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	const messages = indexBatch*2 + 10
	err = errors.Join(
		d.Commit(t.Context(), lines(1, 1, messages)),
		d.indexer.step(t.Context()), // one batch of three, then it ends
		d.Close(),
	)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	var indexed int
	if err := errors.Join(raw.QueryRow(t.Context(), selectIndexed).Scan(&indexed), raw.Close()); err != nil || indexed != indexBatch {
		t.Fatalf("before reopening %d messages are indexed (%v), want %d", indexed, err, indexBatch)
	}
	if got := search(t, open(t, path), "needle").Total; got != messages {
		t.Errorf("search finds %d, want %d", got, messages)
	}
}

func TestIndexingNeedsNoSearch(t *testing.T) {
	d, err := Open(t.Context(), Config{Path: file(t), IndexDelay: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Commit(t.Context(), lines(1, 1, 300)); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for indexed := 0; indexed != 300; {
		select {
		case <-deadline:
			t.Fatalf("after 20 s %d messages are indexed, want 300", indexed)
		case <-tick.C:
		}
		if err := d.db.QueryRow(t.Context(), selectIndexed).Scan(&indexed); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSearchesAndCommitsAtOnce(t *testing.T) {
	d := open(t, file(t))
	var all sync.WaitGroup
	for room := range bw.RoomID(4) {
		all.Go(func() {
			for seq := range bw.Seq(20) {
				if err := d.Commit(t.Context(), lines(room+1, seq+1, seq+1)); err != nil {
					t.Errorf("commit: %v", err)
				}
				r, err := d.Search(t.Context(), history.SearchQuery{Room: room + 1, Terms: []history.Term{{"needle"}}, Limit: 1})
				if err != nil || r.Total != int(seq)+1 || r.Hits[0].Seq != seq+1 {
					t.Errorf("after message %d of room %d: got %+v and %v", seq+1, room+1, r, err)
					return
				}
			}
		})
	}
	all.Wait()
}

func TestAClosedLogIsUnavailable(t *testing.T) {
	d := open(t, file(t))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, head := d.Head(t.Context(), 1)
	_, page := d.ReadPage(t.Context(), history.PageQuery{Room: 1, Limit: 1})
	_, found := d.Search(t.Context(), history.SearchQuery{Limit: 1})
	for name, err := range map[string]error{
		"Head": head, "ReadPage": page, "Search": found,
		"Commit": d.Commit(t.Context(), lines(1, 1, 1)), "Healthy": d.Healthy(t.Context()),
	} {
		if bw.KindOf(err) != bw.Unavailable {
			t.Errorf("%s: got error %v, want unavailable", name, err)
		}
	}
}
