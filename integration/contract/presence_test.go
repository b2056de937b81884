package contract

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// presence collects presence frames until the names that came and went are as
// many as wanted and the count is; it returns the frames.
func (s *socket) presence(joined, left, users int) []frame {
	s.Helper()
	var all []frame
	for j, l, n := 0, 0, -1; j < joined || l < left || n != users; {
		f := s.expect("presence")
		all = append(all, f)
		j, l, n = j+len(f.Joined), l+len(f.Left), f.Users
	}
	return all
}

func TestPresence(t *testing.T) {
	ada, bob := newPerson(t, "Ada"), newPerson(t, "Bob")
	r := ada.newRoom()
	watcher := ada.join(r)
	watcher.presence(1, 0, 1) // his own
	first := bob.join(r)
	if got := watcher.presence(1, 0, 2)[0]; got.Room != r.ID || !slices.Equal(got.Joined, []string{bob.Name}) {
		t.Errorf("got %+v, want %q joined room %d", got, bob.Name, r.ID)
	}
	second := bob.join(r) // the same user: nothing to tell
	first.leave()
	ada.users(r, 2)
	carol := newPerson(t, "Carol").join(r)
	if got := watcher.presence(1, 0, 3); len(got[0].Joined) != 1 || got[0].Joined[0] != carol.who {
		t.Errorf("got %+v, want Carol alone: another connection of Bob's is no news", got)
	}
	second.leave()
	if got := watcher.presence(0, 1, 2)[0]; !slices.Equal(got.Left, []string{bob.Name}) {
		t.Errorf("got %+v, want %q left", got, bob.Name)
	}
}

// TestPresenceIsCoalesced has a crowd come and go at once.
func TestPresenceIsCoalesced(t *testing.T) {
	ada := newPerson(t, "Ada")
	r := ada.newRoom()
	watcher := ada.join(r)
	watcher.presence(1, 0, 1)
	const crowd = 60
	began := time.Now()
	frames := make(chan []frame, 1)
	go func() {
		var all []frame
		for n := -1; n != crowd+1; {
			f, ok := <-watcher.frames
			if !ok {
				break
			}
			all, n = append(all, f), f.Users
		}
		frames <- all
	}()
	for range crowd {
		newPerson(t, "crowd").join(r)
	}
	var all []frame
	select {
	case all = <-frames:
	case <-time.After(patience):
		t.Fatalf("got no presence with %d users within %v", crowd+1, patience)
	}
	// One at once, and then one each 250 ms at most.
	if most := int(time.Since(began)/(250*time.Millisecond)) + 2; len(all) > most {
		t.Errorf("got %d presence frames in %v, want at most %d", len(all), time.Since(began), most)
	}
	for _, f := range all {
		if f.Type != "presence" || len(f.Joined) > 20 || len(f.Left) > 20 {
			t.Errorf("got %+v, want presence with at most 20 names each way", f)
		}
	}
}

func TestTyping(t *testing.T) {
	ada, bob := newPerson(t, "Ada"), newPerson(t, "Bob")
	r := ada.newRoom()
	one, two := ada.join(r), bob.join(r)
	ada.users(r, 2)
	began := time.Now()
	for range 5 {
		one.send(map[string]any{"type": "typing"})
	}
	if got := two.expect("typing"); got.User != ada.Name || got.Room != r.ID {
		t.Errorf("got %+v, want %q types in room %d", got, ada.Name, r.ID)
	}
	// The other four are not told: the next may only come after 3 s.
	for end := time.Now().Add(patience); ; {
		one.send(map[string]any{"type": "typing", "room": r.ID})
		select {
		case f := <-two.frames:
			if f.Type == "presence" {
				continue
			}
			if f.Type != "typing" || time.Since(began) < 3*time.Second {
				t.Errorf("got %+v after %v, want typing again after 3 s", f, time.Since(began))
			}
		case <-time.After(100 * time.Millisecond):
			if time.Now().After(end) {
				t.Fatalf("got nothing for %v, want typing again after 3 s", patience)
			}
			continue
		}
		break
	}
	one.nothing(r) // who types is not told of himself
	var got page
	if ada.get(r.path("/messages")).ok(200, &got); len(got.Messages) != 0 {
		t.Errorf("got %+v stored, want nothing: typing is not", got.Messages)
	}
}

func TestSendsAreMeteredByUser(t *testing.T) {
	server := suite.Binary.Start(t, "--send-rate", "0.02", "--send-burst", "5")
	ada, bob := newPersonAt(t, server.URL, "Ada"), newPersonAt(t, server.URL, "Bob")
	r := ada.newRoom()
	one, two := ada.join(r), ada.join(r)
	for i := range 3 {
		one.say(fmt.Sprint("one ", i), "x")
		two.say(fmt.Sprint("two ", i), "x")
		if i < 2 {
			one.until("ack")
			two.until("ack")
		}
	}
	var refused []frame
	for _, s := range []*socket{one, two} {
		if f := s.until("ack", "error"); f.Type == "error" {
			refused = append(refused, f)
		}
	}
	if len(refused) != 1 || refused[0].Code != "rate_limited" || refused[0].RetryMS == nil || *refused[0].RetryMS < 1 || *refused[0].RetryMS > 100_000 {
		t.Fatalf("got %+v refused, want one of six sends, with retry_after_ms of 50 s and some jitter", refused)
	}
	ada.post(r.path("/messages"), map[string]string{"id": "http", "text": "x"}).refused(429, "rate_limited")
	bob.say(r, "another", "is not concerned")
}

// until returns the next frame of one of the types, passing over all others.
func (s *socket) until(kinds ...string) frame {
	s.Helper()
	for {
		if f := s.next(); slices.Contains(kinds, f.Type) {
			return f
		}
	}
}
