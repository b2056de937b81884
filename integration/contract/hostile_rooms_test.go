package contract

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// TestHostileRevolvingDoor joins and leaves a room a thousand times without
// waiting for an answer: each is done in turn, and those inside are told now and
// then only.
func TestHostileRevolvingDoor(t *testing.T) {
	t.Parallel()
	p, watcher := newPerson(t, "Dervish"), newPerson(t, "Porter")
	home, door := p.newRoom(), p.newRoom()
	watching := watcher.join(door)
	s := p.join(home)
	const turns = 500
	began := time.Now()
	for i := range turns {
		s.send(map[string]any{"type": "join", "id": fmt.Sprint("j", i), "room": door.ID})
		s.send(map[string]any{"type": "leave", "id": fmt.Sprint("l", i), "room": door.ID})
	}
	for i := range turns {
		if f := s.expect("joined"); f.ID != fmt.Sprint("j", i) || f.Room != door.ID {
			t.Fatalf("got %+v, want the answer to join %d", f, i)
		}
		if f := s.expect("left"); f.ID != fmt.Sprint("l", i) || f.Room != door.ID {
			t.Fatalf("got %+v, want the answer to leave %d", f, i)
		}
	}
	var list struct{ Count int }
	hostileUntil(t, "the user list is true again", patience, func() bool {
		watcher.get(door.path("/users")).ok(http.StatusOK, &list)
		return list.Count == 1
	})
	most := int(time.Since(began)/(250*time.Millisecond)) + 3
	watcher.say(door, unique("fence"), "fence")
	told := 0
	for f := watching.next(); f.Type != "message"; f = watching.next() {
		told++
	}
	if told == 0 || told > most {
		t.Errorf("got %d presence frames, want some, and at most %d: one in 250 ms", told, most)
	}
}

// TestHostileManyRooms joins five hundred rooms on one connection.
func TestHostileManyRooms(t *testing.T) {
	t.Parallel()
	p := newPerson(t, "Everywhere")
	const many = 500
	rooms := make([]room, many)
	for i := range rooms {
		rooms[i] = p.newRoom()
	}
	s := p.join(rooms[0])
	for _, r := range rooms[1:] {
		s.send(map[string]any{"type": "join", "id": "j", "room": r.ID})
	}
	for _, r := range rooms[1:] {
		if f := s.expect("joined"); f.Room != r.ID || f.Users != 1 {
			t.Fatalf("got %+v, want room %d joined", f, r.ID)
		}
	}
	s.say("nowhere", "to whom?")
	s.expectError("nowhere", "not_in_room")
	for _, r := range rooms {
		s.send(map[string]any{"type": "send", "id": "m", "room": r.ID, "text": "here, too"})
		ack, m := s.expectBoth("ack", "message")
		if ack.Room != r.ID || m.Room != r.ID || m.Seq != 1 {
			t.Fatalf("got the ack %+v and the message %+v, want both of room %d", ack, m, r.ID)
		}
	}
	s.leave()
	for _, r := range []room{rooms[0], rooms[many/2], rooms[many-1]} {
		var list struct{ Count int }
		hostileUntil(t, "nobody is left", patience, func() bool {
			p.get(r.path("/users")).ok(http.StatusOK, &list)
			return list.Count == 0
		})
	}
}
