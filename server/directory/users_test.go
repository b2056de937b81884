package directory

import (
	"fmt"
	"sync"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
)

func TestFirstUseMakesTheUser(t *testing.T) {
	s := openStore(t)
	d, w := open(t, s)
	ann, err := d.EnsureUser(t.Context(), "ann")
	if err != nil || ann.ID <= 0 || ann.Name != "ann" || ann.CreatedAt <= 0 {
		t.Fatalf("first use: got %+v and %v, want a user with an id and a time", ann, err)
	}
	wantAsked(t, w, 1)
	if got, err := s.FindCredentials(t.Context(), "ann"); err != nil || got.User != ann || got.PasswordHash != nil {
		t.Errorf("in the store: got %+v and %v, want %+v without password", got, err, ann)
	}
	for range 10 {
		wantUser(t, d, ann)
	}
	wantAsked(t, w, 0)
}

func TestAUserThatExistsIsFound(t *testing.T) {
	s := openStore(t)
	d, _ := open(t, s)
	for _, name := range []bw.Name{"ann", "Ann", "ann ann", "<&>\"\\", "é漢字😀\u200d", "user:ann", "1"} {
		want, err := s.CreateUser(t.Context(), name, []byte("hash"))
		if err != nil {
			t.Fatalf("create %q: %v", name, err)
		}
		wantUser(t, d, want) // from the store
		wantUser(t, d, want) // from the cache
	}
}

func TestFirstUseByManyAtOnceMakesOneUser(t *testing.T) {
	const callers, names, servers = 40, 5, 2
	s := openStore(t)
	var all sync.WaitGroup
	users := make([][callers]bw.User, names)
	var watches [servers]*watched
	for server := range servers { // each with a cache of its own
		var d *Directory
		d, watches[server] = open(t, s)
		for caller := server; caller < callers; caller += servers {
			for name := range names {
				all.Go(func() {
					user, err := d.EnsureUser(t.Context(), bw.Name(fmt.Sprint("user ", name)))
					if err != nil {
						t.Errorf("ensure: %v", err)
					}
					users[name][caller] = user
				})
			}
		}
	}
	all.Wait()
	for _, w := range watches {
		wantAsked(t, w, names)
	}
	ids := map[bw.UserID]bool{}
	for _, of := range users {
		ids[of[0].ID] = true
		for _, got := range of {
			if got != of[0] {
				t.Errorf("two callers with one name: got %+v and %+v, want the same user", got, of[0])
			}
		}
	}
	if len(ids) != names {
		t.Errorf("ids: got %d, want %d", len(ids), names)
	}
}
