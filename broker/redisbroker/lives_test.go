package redisbroker

import (
	"testing"

	"go.uber.org/goleak"

	bw "github.com/breakwater-chat/breakwater"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSightingsOnlyRise(t *testing.T) {
	s := sightings{rooms: map[bw.RoomID]sighting{}}
	for _, step := range []struct {
		at        bw.Position
		timestamp bw.Millis
		want      sighting
	}{
		{bw.Position{Epoch: 1, Seq: 5}, 100, sighting{bw.Position{Epoch: 1, Seq: 5}, 100}},
		{bw.Position{Epoch: 1, Seq: 4}, 90, sighting{bw.Position{Epoch: 1, Seq: 5}, 100}},
		{bw.Position{Epoch: 1, Seq: 6}, 0, sighting{bw.Position{Epoch: 1, Seq: 6}, 100}},
		{bw.Position{Epoch: 2, Seq: 1}, 110, sighting{bw.Position{Epoch: 2, Seq: 1}, 110}},
		{bw.Position{Epoch: 1, Seq: 9}, 120, sighting{bw.Position{Epoch: 2, Seq: 1}, 120}},
	} {
		s.raise(7, step.at, step.timestamp)
		if got := s.of(7); got != step.want {
			t.Fatalf("after %+v at %d: got %+v, want %+v", step.at, step.timestamp, got, step.want)
		}
	}
}

func TestSightingsAreBounded(t *testing.T) {
	s := sightings{rooms: map[bw.RoomID]sighting{}}
	for room := range bw.RoomID(maxSightings + 100) {
		s.raise(room, bw.Position{Epoch: 1, Seq: 1}, 1)
	}
	if got := len(s.rooms); got != maxSightings {
		t.Errorf("rooms: got %d, want %d", got, maxSightings)
	}
}

// A partition's keys are in one slot of a cluster, and rooms are in all partitions.
func TestKeysOfAPartitionShareTheirTag(t *testing.T) {
	k := newKeys("prefix", 0)
	tags := map[string]bool{}
	for room := range bw.RoomID(100) {
		tag := k.tags[partitionOf(room)]
		tags[tag] = true
		for _, key := range []string{
			k.meta(room), k.tail(room), k.channel(room), k.log(partitionOf(room)), k.sent(room, "ann", "}{"),
		} {
			if key[:len(tag)] != tag {
				t.Errorf("room %d: got %q, want it to begin with %q", room, key, tag)
			}
		}
		if got, ok := roomOf(k.channel(room)); !ok || got != room {
			t.Errorf("room of %q: got %d, %v, want %d", k.channel(room), got, ok, room)
		}
	}
	if len(tags) != partitions {
		t.Errorf("partitions of 100 rooms: got %d, want %d", len(tags), partitions)
	}
}

// Channels are one space for all databases of a Redis: two clusters that have one
// each must not hear each other.
func TestChannelsOfDatabasesDiffer(t *testing.T) {
	first, second := newKeys("prefix", 0), newKeys("prefix", 1)
	if a, b := first.channel(7), second.channel(7); a == b {
		t.Errorf("got the channel %q in two databases", a)
	}
	if got, ok := roomOf(second.channel(7)); !ok || got != 7 {
		t.Errorf("room of %q: got %d, %v, want 7", second.channel(7), got, ok)
	}
}

// A user cannot choose names and ids that collide with another one's.
func TestSentKeysTellUsersAndIDsApart(t *testing.T) {
	k := newKeys("prefix", 0)
	seen := map[string]bool{}
	for _, s := range []struct {
		user bw.Name
		id   bw.MessageID
	}{{"a", "bc"}, {"ab", "c"}, {"abc", ""}, {"", "abc"}, {"a\x00", "bc"}} {
		seen[k.sent(1, s.user, s.id)] = true
	}
	if len(seen) != 5 {
		t.Errorf("got %d keys, want 5", len(seen))
	}
}
