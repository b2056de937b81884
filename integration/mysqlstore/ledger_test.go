package mysqlstore

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
	"github.com/breakwater-chat/breakwater/store/mysqlstore"
)

// repeated is how many transactions the stores with this registry did again.
func repeated(t testing.TB, registry *prometheus.Registry) int {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "breakwater_mysql_repeated_total" {
			return int(f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	t.Fatal("there is no breakwater_mysql_repeated_total")
	return 0
}

// Three servers change the same rooms, each in an order of its own. Nobody ever
// waits for another in a circle.
func TestServersChangeManyRoomsInAnyOrder(t *testing.T) {
	const rooms, users, rounds = 60, 5, 25
	dsn, seed := database(t), rand.Uint64()
	t.Logf("seed %d", seed)
	db := raw(t, dsn)
	// MySQL counts them. A lock that is waited for in vain is none: machines stand still.
	circles := func() int {
		return number(t, db, "SELECT count FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks' AND status = 'enabled'")
	}
	before := circles()
	var servers errgroup.Group
	for i := range 3 {
		s := open(t, mysqlstore.Config{DSN: dsn})
		id := register(t, s, bw.ServerID(fmt.Sprint("s", i)))
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		servers.Go(func() error {
			for round := range 2 * rounds {
				batch := make([]store.Change, 0, rooms*users)
				for _, r := range random.Perm(rooms) {
					for _, u := range random.Perm(users) {
						batch = append(batch, store.Change{Room: bw.RoomID(r + 1), User: bw.UserID(u + 1), Connection: 1, Leave: round%2 == 1})
					}
				}
				if _, err := s.ApplyChanges(t.Context(), id, numbers.Add(1), batch[:len(batch)/2]); err != nil {
					return err
				}
				if _, err := s.ApplyChanges(t.Context(), id, numbers.Add(1), batch[len(batch)/2:]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := servers.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := circles() - before; n > 0 {
		t.Errorf("MySQL broke %d circles, want none", n)
	}
	for _, table := range []string{"memberships", "presences", "room_counts WHERE users <> 0"} {
		if n := number(t, db, "SELECT count(*) FROM "+table); n != 0 {
			t.Errorf("after all have left: got %d rows of %s, want none", n, table)
		}
	}
}

// A lock that is held too long is waited for once more.
func TestALockThatIsHeldTooLong(t *testing.T) {
	dsn, registry := database(t), prometheus.NewRegistry()
	s := open(t, mysqlstore.Config{DSN: dsn, Registerer: registry})
	id := register(t, s, "s")
	apply(t, s, id, store.Change{Room: 1, User: 1, Connection: 1})
	other, err := raw(t, dsn).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Rollback() }()
	execute(t, other, "SELECT * FROM room_counts WHERE room = 1 FOR UPDATE")
	var server errgroup.Group
	server.Go(func() error {
		_, err := s.ApplyChanges(t.Context(), id, numbers.Add(1), []store.Change{{Room: 1, User: 2, Connection: 2}})
		return err
	})
	eventually(t, "a transaction that is done again", func() bool { return repeated(t, registry) > 0 })
	if err := other.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("got error %v, want the change", err)
	}
}

// crowd is a batch of so many changes in fifty rooms.
func crowd(size int, leave bool) []store.Change {
	batch := make([]store.Change, size)
	for i := range batch {
		batch[i] = store.Change{Room: bw.RoomID(i%50 + 1), User: bw.UserID(i/50 + 1), Connection: bw.ConnectionID(i), Leave: leave}
	}
	return batch
}

// MySQL itself counts what a batch costs, its begin and its commit among it.
func TestABatchIsAHandfulOfStatements(t *testing.T) {
	dsn := database(t)
	s := open(t, mysqlstore.Config{DSN: dsn})
	id := register(t, s, "s")
	apply(t, s, id, crowd(500, false)...)
	db := raw(t, dsn)
	questions := func() int {
		return number(t, db, "SELECT variable_value FROM performance_schema.global_status WHERE variable_name = 'Questions'")
	}
	questions()
	// Half of them leave, as many others come.
	batch := append(crowd(500, true), crowd(1000, false)[500:]...)
	before := questions()
	outcomes := apply(t, s, id, batch...)
	if got := questions() - before - 1; got > 13 {
		t.Errorf("a batch of %d: got %d statements, want at most 13", len(batch), got)
	}
	for i, o := range outcomes {
		if !o.Changed {
			t.Fatalf("change %d of the batch: got %+v, want a presence to begin or end", i, o)
		}
	}
}

// A batch larger than anybody sends is looked up by key still.
func TestAHugeBatch(t *testing.T) {
	const size, others = 12_000, 8
	dsn := database(t)
	s := open(t, mysqlstore.Config{DSN: dsn})
	id := register(t, s, "s")
	apply(t, s, id, crowd(size, false)...)
	db := raw(t, dsn)
	for i := range others {
		execute(t, db, "INSERT INTO memberships SELECT room + 100 * ?, user, incarnation, connection FROM memberships WHERE room <= 50", i+1)
		execute(t, db, "INSERT INTO presences SELECT room + 100 * ?, user, connections, joined_at FROM presences WHERE room <= 50", i+1)
	}
	scanned := func() int {
		return number(t, db, "SELECT variable_value FROM performance_schema.global_status WHERE variable_name = 'Handler_read_rnd_next'")
	}
	first, before := scanned(), scanned() // looking at it reads a table too
	apply(t, s, id, crowd(size, true)...)
	if got := scanned() - before - (before - first); got > size/2 {
		t.Errorf("got %d rows read by scans of %d, want next to none", got, (1+others)*size)
	}
	if n := number(t, db, "SELECT count(*) FROM memberships"); n != others*size {
		t.Errorf("after all have left: got %d memberships, want those of others", n)
	}
}

// BenchmarkApplyChanges says what one join and its leave cost in batches.
func BenchmarkApplyChanges(b *testing.B) {
	for _, size := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := open(b, mysqlstore.Config{DSN: database(b)})
			id := register(b, s, "s")
			in, out := crowd(size, false), crowd(size, true)
			for b.Loop() {
				apply(b, s, id, in...)
				apply(b, s, id, out...)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*2*size), "µs/change")
		})
	}
}

// BenchmarkServersAtOnce lets three servers change rooms that they share.
func BenchmarkServersAtOnce(b *testing.B) {
	const size = 1000
	dsn := database(b)
	var servers []func() error
	for i := range 3 {
		s := open(b, mysqlstore.Config{DSN: dsn})
		id := register(b, s, bw.ServerID(fmt.Sprint("s", i)))
		in, out := crowd(size, false), crowd(size, true)
		servers = append(servers, func() error {
			if _, err := s.ApplyChanges(b.Context(), id, numbers.Add(1), in); err != nil {
				return err
			}
			_, err := s.ApplyChanges(b.Context(), id, numbers.Add(1), out)
			return err
		})
	}
	start := time.Now()
	for b.Loop() {
		var all errgroup.Group
		for _, server := range servers {
			all.Go(server)
		}
		if err := all.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*6*size)/time.Since(start).Seconds(), "changes/s")
}
