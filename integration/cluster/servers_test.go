package cluster

import (
	"database/sql"
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"github.com/breakwater-chat/breakwater/loadtest/stand"
)

// TestAServerIsKilled: within twice a lease's time nothing is left of a server that was
// killed. Who came back somewhere else was never gone, who did not is told gone once,
// and nobody else is missed for a moment.
func TestAServerIsKilled(t *testing.T) {
	l := start(t, people, rooms)
	s := l.seat(6)
	db := l.openMySQL()
	back, gone := s.at[0][:3], s.at[0][3:]
	for _, c := range back {
		c.moveTo(shared.Servers[1].URL)
	}
	for _, c := range gone {
		c.moveTo("")
	}
	stay := append(append(s.at[1][:6:6], s.at[2]...), back...)
	for _, server := range []int{1, 2} {
		defer s.watch(server, stay)()
	}
	if err := shared.Kill(0); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	l.await("who does not come back to have noticed", func() error {
		for _, c := range gone {
			if len(c.isIn()) > 0 {
				return fmt.Errorf("%s has not", c.Name)
			}
		}
		return nil
	})
	survivors := []string{shared.Servers[1].URL, shared.Servers[2].URL}
	l.within(max(0, 2*lease-time.Since(killed)), "the user list to be true again", func() error {
		if n := l.query(db, orphans); n > 0 {
			return fmt.Errorf("there are %d memberships of a dead server", n)
		}
		return l.listedAt(s.room, survivors)
	})
	want := map[string]int{}
	for _, c := range gone {
		want[c.Name] = 1
	}
	l.within(max(0, 2*lease-time.Since(killed)), "who is gone to be told", func() error { return s.heard(stay[:12], nil, want) })
	l.goOn(lease) // nothing is told again
	if err := s.heard(stay[:12], nil, want); err != nil {
		t.Error(err)
	}
	if err := shared.Restart(0); err != nil {
		t.Fatal(err)
	}
	for _, c := range gone {
		c.moveTo(shared.Servers[0].URL)
	}
	l.check()
	if err := s.heard(stay[:12], want, want); err != nil {
		t.Error(err)
	}
}

// heard tells whether people have heard who came and went, each as often as wanted.
func (s *seats) heard(people []*client, came, went map[string]int) error {
	for _, c := range people {
		gotCame, gotWent := c.told(s.room)
		if !maps.Equal(gotCame, came) || !maps.Equal(gotWent, went) {
			return fmt.Errorf("%s heard %v come and %v go, want %v and %v", c.Name, gotCame, gotWent, came, went)
		}
	}
	return nil
}

// TestARollingRestart: while all servers are replaced, one after the other, nobody
// loses a message, nobody is told gone who has only moved, and no list is without him.
func TestARollingRestart(t *testing.T) {
	l := start(t, people, rooms)
	s, db := l.seat(4), l.openMySQL()
	for _, c := range s.all() {
		c.moveTo(shared.Nginx.URL)
	}
	for i := range shared.Servers {
		stop := s.watch((i+1)%len(shared.Servers), s.all())
		if err := shared.Drain(i); err != nil {
			t.Error(err)
		}
		if err := shared.Restart(i); err != nil {
			t.Fatal(err)
		}
		l.await("what the former life left to be removed", func() error {
			if n := l.query(db, orphans); n > 0 {
				return fmt.Errorf("there are %d memberships of a dead server", n)
			}
			return nil
		})
		l.goOn(2 * time.Second) // who would be told gone has been
		stop()
	}
	if err := s.heard(s.all(), nil, nil); err != nil {
		t.Error(err)
	}
	moved := 0
	for _, c := range s.all() {
		moved += int(c.cut.Load())
	}
	if moved < len(s.all()) {
		t.Errorf("people moved %d times, want each of %d once at least", moved, len(s.all()))
	}
	l.check()
	if resets := l.sum(func(c *client) int64 { return c.reset.Load() + c.gaps.Load() }); resets > 0 {
		t.Errorf("%d resumes were not possible or gaps told, want none", resets)
	}
}

// TestManyOrphans: two servers remove what a third one left, far more than goes at
// once, and one of the two is killed in the middle of it. All goes, and the rooms hear
// of everybody once.
func TestManyOrphans(t *testing.T) {
	const halls, each, listeners = 2_500, 20, 10
	l := start(t, 6, 2)
	db := l.openMySQL()
	dead := l.haunt(db, halls, each)
	first := l.query(db, "SELECT MIN(room) FROM memberships WHERE incarnation = ?", dead)
	var ears []*client
	for i := range listeners {
		// Spread over the rooms, and on the servers that stay.
		c := newClient(l.ledger, l.signUp(fmt.Sprint(l.word, " ear ", i)), shared.Servers[1+i%2].URL, l.word, []int64{first + int64(i*halls/listeners)}, l.rng.Uint64(), time.Second)
		c.sits = true
		ears = append(ears, c)
		l.rooms = append(l.rooms, c.rooms[0])
		l.enter(c)
	}
	l.await("the listeners to be there", func() error {
		for _, c := range ears {
			if came, _ := c.told(c.rooms[0]); len(c.isIn()) == 0 || came[c.Name] == 0 {
				return fmt.Errorf("%s is not", c.Name)
			}
		}
		return nil
	})
	if _, err := db.ExecContext(t.Context(), "UPDATE servers SET state = 'dead', lease_until = 0 WHERE incarnation = ?", dead); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	const left = "SELECT COUNT(*) FROM memberships WHERE incarnation = ?"
	l.await("a part of it to be done", func() error {
		if n := l.query(db, left, dead); n > halls*each*4/5 {
			return fmt.Errorf("%d are left", n)
		}
		return nil
	})
	for caught := false; !caught && l.query(db, left, dead) > halls*each/5; {
		caught = l.catch(db, shared.Servers[0])
		t.Logf("the server has claimed departures: %t", caught)
	}
	if err := shared.Kill(0); err != nil {
		t.Fatal(err)
	}
	if n := l.query(db, left, dead); n == 0 {
		t.Error("the server was killed when all was done, want it in the middle")
	}
	l.await("all of it to be done", func() error {
		if n := l.query(db, left, dead); n > 0 {
			return fmt.Errorf("%d are left", n)
		}
		return nil
	})
	t.Logf("%d memberships were removed in %v", halls*each, time.Since(began).Round(time.Second/10))
	// What the killed one had claimed is given to another one after ten seconds.
	l.await("everybody to be told of", func() error {
		for _, c := range ears {
			if _, went := c.told(c.rooms[0]); len(went) < each {
				return fmt.Errorf("%s has heard of %d, want %d", c.Name, len(went), each)
			}
		}
		if n := l.query(db, "SELECT COUNT(*) FROM departures"); n > 0 {
			return fmt.Errorf("%d departures are left", n)
		}
		return nil
	})
	for _, c := range ears {
		_, went := c.told(c.rooms[0])
		for name, times := range went {
			if times != 1 || !strings.HasPrefix(name, l.word+" ghost") {
				t.Errorf("%s heard %d times that %s is gone, want the ghosts to go once", c.Name, times, name)
			}
		}
	}
	if err := shared.Restart(0); err != nil {
		t.Fatal(err)
	}
	// What the killed one was about to index is waited for in TestAServerIsKilled.
	l.settle()
	for _, room := range l.rooms {
		l.await("the user list to be true", func() error { return l.listed(room) })
	}
	l.report()
}

// catch pauses a server, and lets it go on if it has no departures claimed that it has
// not told: what the others have claimed they tell in the meantime.
func (l *load) catch(db *sql.DB, s *stand.Server) (caught bool) {
	l.Helper()
	l.signal(s, syscall.SIGSTOP)
	last := l.query(db, "SELECT COALESCE(MAX(claimed_until), 0) FROM departures")
	l.goOn(time.Second / 2)
	if l.query(db, "SELECT COUNT(*) FROM departures WHERE claimed_until BETWEEN 1 AND ?", last) > 0 {
		return true
	}
	l.signal(s, syscall.SIGCONT)
	l.goOn(time.Second / 20)
	return false
}

// signal sends a server a signal.
func (l *load) signal(s *stand.Server, sig syscall.Signal) {
	l.Helper()
	if err := syscall.Kill(s.PID(), sig); err != nil {
		l.Fatal(err)
	}
}

// TestAServerIsStopped: it cannot know that the others take it for dead, for it does
// nothing until they have told its people gone. When it goes on it does so as a new one, with those
// who are still connected to it, and nothing that they said is lost or there twice.
func TestAServerIsStopped(t *testing.T) {
	l := start(t, people, rooms)
	s := l.seat(5)
	victim := shared.Servers[0]
	shared.Nginx.ExpectFailures()
	l.signal(victim, syscall.SIGSTOP)
	t.Cleanup(func() { _ = syscall.Kill(victim.PID(), syscall.SIGCONT) })
	others, gone := append(s.at[1][:5:5], s.at[2]...), map[string]int{}
	for _, c := range s.at[0] {
		gone[c.Name] = 1
	}
	l.within(2*lease, "its people to be told gone", func() error { return s.heard(others, nil, gone) })
	l.signal(victim, syscall.SIGCONT)
	l.within(lease, "its people to be there again", func() error { return s.heard(others, gone, gone) })
	l.check()
	for _, c := range s.at[0] {
		if c.cut.Load() > 0 {
			t.Errorf("%s was cut off, want him to stay connected", c.Name)
		}
	}
	if err := s.heard(others, gone, gone); err != nil {
		t.Error(err)
	}
}
