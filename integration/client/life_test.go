package client

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/client"
)

// TestAServerIsKilledAndDrainedUnderItsClients rides through two kills and a
// drain while everybody talks: nothing is lost, nothing is doubled.
func TestAServerIsKilledAndDrainedUnderItsClients(t *testing.T) {
	data := t.TempDir()
	server := start(t, data)
	base := server.URL
	again := []string{"--listen", server.Address(), "--drain-window", "2s"}

	reader := signUp(t, base, "reader")
	rooms := []bw.RoomID{newRoom(t, base, reader, "one"), newRoom(t, base, reader, "two")}
	var people []*person
	for n := range 5 {
		p := newPerson(t, base, signUp(t, base, fmt.Sprintf("person-%d", n)))
		for _, room := range rooms {
			p.joinNow(room)
		}
		people = append(people, p)
	}
	ctx, stop := context.WithCancel(t.Context())
	var talking sync.WaitGroup
	for _, p := range people {
		talking.Go(func() { p.chatter(ctx, rooms...) })
	}
	grow := func(by int) {
		t.Helper()
		for _, p := range people {
			p.mu.Lock()
			goal := len(p.acks) + by
			p.mu.Unlock()
			p.until("the next acks", func() bool { return len(p.acks) >= goal })
		}
	}
	for range 2 {
		grow(50)
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		server = start(t, data, again...)
	}
	grow(50)
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	server = start(t, data, again...)
	grow(50)
	stop()
	talking.Wait()
	total := check(t, base, reader, rooms, people)
	if want := 4 * 50 * len(people); total < want {
		t.Errorf("got %d messages, want at least %d", total, want)
	}
	t.Logf("%d messages", total)
	for _, p := range people {
		p.Close()
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}

// TestATokenIsRefreshedWhenItExpires stays connected for several lives of a token.
func TestATokenIsRefreshedWhenItExpires(t *testing.T) {
	server := start(t, t.TempDir(), "--token-ttl", "5s")
	account := signUp(t, server.URL, "ann")
	p := newPerson(t, server.URL, account)
	p.joinNow(newRoom(t, server.URL, account, "room"))
	p.until("the third join", func() bool { return count[client.Joined](p) >= 3 })
	p.Close()
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}

// TestAPasswordBringsBackWhoWasAwayForLong logs in again when the token has
// expired while nobody was there to refresh it.
func TestAPasswordBringsBackWhoWasAwayForLong(t *testing.T) {
	server := start(t, t.TempDir(), "--token-ttl", "1s")
	account, err := client.SignUp(t.Context(), server.URL, "ann", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	old, err := account.Token(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	expired := time.NewTimer(3 * time.Second) // the token's own clock cannot be moved
	defer expired.Stop()
	<-expired.C
	fresh, err := account.Token(t.Context(), old)
	if err != nil || fresh == old || fresh == "" {
		t.Errorf("got %q (%v), want another token than %q", fresh, err, old)
	}
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}

// TestARoomThatIsMissedForLongIsFetched leaves more than a resume replays.
func TestARoomThatIsMissedForLongIsFetched(t *testing.T) {
	server := start(t, t.TempDir())
	account := signUp(t, server.URL, "ann")
	room := newRoom(t, server.URL, account, "room")
	writer := newPerson(t, server.URL, account)
	writer.joinNow(room)
	const total = 1200
	var open sync.WaitGroup
	for n := range total {
		open.Add(1)
		err := writer.Post(room, fmt.Sprint("m", n), fmt.Sprint("text ", n), func(_ client.Ack, err error) {
			defer open.Done()
			if err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if n%400 == 399 { // the outbox has room for 500
			open.Wait()
		}
	}
	open.Wait()
	first := stored(t, server.URL, account, room)[0]

	bob := newPerson(t, server.URL, signUp(t, server.URL, "bob"))
	bob.JoinSince(room, bw.Position{Epoch: first.Epoch, Seq: first.Seq - 1})
	check(t, server.URL, account, []bw.RoomID{room}, []*person{bob, writer})
	bob.mu.Lock()
	for _, e := range bob.told {
		if j, ok := e.(client.Joined); ok && j.Recovered {
			t.Errorf("got %+v, want more missing than a resume replays", j)
		}
	}
	bob.mu.Unlock()
	for _, p := range []*person{bob, writer} {
		p.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	if err := server.Stop(); err != nil {
		t.Error(err)
	}
}
