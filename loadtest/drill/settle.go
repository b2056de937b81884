package drill

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	bw "github.com/breakwater-chat/breakwater"
	"github.com/breakwater-chat/breakwater/loadtest/oracle"
	"github.com/breakwater-chat/breakwater/loadtest/stand"
	"github.com/breakwater-chat/breakwater/loadtest/stand/service"
	"github.com/breakwater-chat/breakwater/wire"
)

// Each step on the way to quiet is bounded. When one has failed nobody waits long for
// the others.
const (
	rest      = 60 * time.Second // what a server took to index and lost is handed out after 30 s
	shortRest = 10 * time.Second
)

// settle waits until all are there, have said what they had to say and heard all of
// it, and until the databases agree. What does not come to rest fails a check, and is
// judged as it is; the error is the end of the context.
func (r *run) settle(ctx context.Context) error {
	unmark := r.record.line.Mark("coming to rest")
	defer unmark()
	r.step(ctx, "everybody is in his rooms", r.crowd.present)
	r.crowd.hush()
	r.step(ctx, "every send is answered", r.crowd.answered)
	heads, known := r.record.newest()
	r.step(ctx, "everybody has what was said", func() error {
		return r.crowd.all(func(s *seat) error { return s.reached(heads) })
	})
	r.step(ctx, "user lists and memberships are true", func() error { return r.membersAreTrue(ctx) })
	r.step(ctx, "everything is in Elasticsearch", func() error { return r.documentsAreThere(ctx, heads, known) })
	return ctx.Err()
}

func (r *run) step(ctx context.Context, what string, holds func() error) {
	bound := rest
	if r.restless {
		bound = shortRest
	}
	if err := await(ctx, bound, what, holds); err != nil {
		r.restless = true
		r.check(false, what, "%v", err)
		return
	}
	r.check(true, what, "it came to that")
}

// membersAreTrue compares every server's lists and MySQL's rows with who is there.
func (r *run) membersAreTrue(ctx context.Context) error {
	rows, err := service.Memberships(ctx, r.base.MySQL.URL, r.crowd.rooms)
	if err != nil {
		return err
	}
	stored := map[bw.RoomID]map[bw.Name]int{}
	for _, m := range rows {
		if !m.Live {
			return fmt.Errorf("MySQL has %s in room %d on %q, which is dead", m.User, m.Room, m.Server)
		}
		if stored[m.Room] == nil {
			stored[m.Room] = map[bw.Name]int{}
		}
		stored[m.Room][m.User]++
	}
	for _, room := range r.crowd.rooms {
		want := r.crowd.members(room)
		if got := stored[room]; !maps.Equal(got, want) && len(got)+len(want) > 0 {
			return fmt.Errorf("MySQL has %d users in room %d, or not as often as they are there, want %d", len(got), room, len(want))
		}
		for i, url := range r.cluster.Direct().URLs {
			listed, err := list(ctx, url, room)
			if err != nil {
				return err
			}
			if slices.Sort(listed); !slices.Equal(listed, slices.Sorted(maps.Keys(want))) {
				return fmt.Errorf("%s lists %d users in room %d, want the %d who are there", named(i), len(listed), room, len(want))
			}
		}
	}
	return nil
}

// list reads a room's user list of a server.
func list(ctx context.Context, url string, room bw.RoomID) (users []bw.Name, err error) {
	at := fmt.Sprintf("%s/v1/chatrooms/%d/users?limit=%d", url, room, wire.MaxPage)
	next := ""
	for {
		var page wire.UserList
		if _, err := stand.Call(ctx, http.MethodGet, at+next, "", nil, &page); err != nil {
			return nil, fmt.Errorf("reading a user list: %w", err)
		}
		for _, u := range page.Users {
			users = append(users, u.Name)
		}
		if page.Next == nil {
			return users, nil
		}
		next = fmt.Sprintf("&after=%d", *page.Next)
	}
}

// documentsAreThere tells whether Elasticsearch has as many messages of each room's newest
// epoch as are known. What was said before may have gone with the log; if it has not, it
// is there by then.
func (r *run) documentsAreThere(ctx context.Context, heads map[bw.RoomID]bw.Position, known map[bw.RoomID]int) error {
	for _, room := range r.crowd.rooms {
		found, err := service.Documents(ctx, r.base.Elasticsearch.URL, room)
		if err != nil {
			return err
		}
		here := 0
		for i := range found {
			if found[i].Epoch == heads[room].Epoch {
				here++
			}
		}
		if here < known[room] {
			return fmt.Errorf("it has %d messages of room %d's epoch, of which %d were acked or delivered", here, room, known[room])
		}
	}
	return nil
}

// collect notes what the databases hold and every server lists.
func (r *run) collect(ctx context.Context) error {
	for _, room := range r.crowd.rooms {
		for i, url := range r.cluster.Direct().URLs {
			asked := r.record.now()
			users, err := list(ctx, url, room)
			if err != nil {
				return err
			}
			e := oracle.Event{Kind: oracle.List, Room: int64(room), Server: named(i), Asked: asked, Names: []string{}}
			for _, u := range users {
				e.Names = append(e.Names, string(u))
			}
			r.record.add(e)
		}
		documents, err := service.Documents(ctx, r.base.Elasticsearch.URL, room)
		if err != nil {
			return err
		}
		for _, m := range messages(documents) {
			r.record.add(oracle.Event{Kind: oracle.Document, Room: int64(room), Epoch: m.Epoch, Seq: m.Seq, ID: m.ID, User: m.User, Text: m.Text})
		}
	}
	rows, err := service.Memberships(ctx, r.base.MySQL.URL, r.crowd.rooms)
	if err != nil {
		return err
	}
	for _, m := range rows {
		e := oracle.Event{Kind: oracle.Membership, Room: int64(m.Room), User: string(m.User), Server: m.Server}
		if r.drill.slow { // places stand where servers would
			e.Server = ""
		}
		r.record.add(e)
	}
	r.record.add(oracle.Event{Kind: oracle.Complete, Names: []string{oracle.Documents, oracle.Memberships, oracle.Presence, oracle.Fetches}})
	r.record.add(oracle.Event{Kind: oracle.End})
	return nil
}
