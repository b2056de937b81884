package storetest

import (
	"context"
	"errors"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/store"
)

// testEndedContext asks when nobody waits for the answer any more. Reads fail,
// writes may have been done; either way the failure has its kind and its cause.
func testEndedContext(t *testing.T, s *suite) {
	room, ann, server := s.room(t, "room"), s.user(t, "ann"), s.register(t, "s", long)
	s.apply(t, server, join(room, ann, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, call := range []struct {
		name  string
		reads bool
		do    func() error
	}{
		{"FindCredentials", true, func() error { _, err := s.FindCredentials(ctx, "ann"); return err }},
		{"FindRoom", true, func() error { _, err := s.FindRoom(ctx, room); return err }},
		{"ListRooms", true, func() error { _, err := s.ListRooms(ctx, 0, 10); return err }},
		{"ListOccupants", true, func() error { _, err := s.ListOccupants(ctx, room, 0, 10); return err }},
		{"Healthy", true, func() error { return s.Healthy(ctx) }},
		{"CreateUser", false, func() error { _, err := s.CreateUser(ctx, "bob", nil); return err }},
		{"EnsureUser", false, func() error { _, err := s.EnsureUser(ctx, "carl"); return err }},
		{"CreateRoom", false, func() error { _, err := s.CreateRoom(ctx, "other"); return err }},
		{"ApplyChanges", false, func() error {
			_, err := s.ApplyChanges(ctx, server, s.next(server), []store.Change{join(room, ann, 2)})
			return err
		}},
		{"Renew", false, func() error { return s.Renew(ctx, server, long) }},
		{"ExpireLeases", false, func() error { _, err := s.ExpireLeases(ctx); return err }},
		{"DeleteOrphans", false, func() error { _, err := s.DeleteOrphans(ctx, 0, 10); return err }},
		{"ClaimDepartures", false, func() error { _, err := s.ClaimDepartures(ctx, long, 10); return err }},
		{"ForgetDepartures", false, func() error { return s.ForgetDepartures(ctx, []int64{1}) }},
		{"Register", false, func() error { _, err := s.Register(ctx, "other", long); return err }},
		{"Release", false, func() error { return s.Release(ctx, server) }},
	} {
		err := call.do()
		if err == nil && !call.reads {
			continue
		}
		if bw.KindOf(err) != bw.Unavailable || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got error %v, want unavailable because of %v", call.name, err, context.Canceled)
		}
	}
	s.checkOccupants(t, room, "ann") // it ended for who asked, and for nobody else
}
