package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	bw "github.com/breakwater-chat/breakwater"
)

func testUsers(t *testing.T, s *suite) {
	hash := []byte{0, 1, 2, 0xff, '\''}
	ann, err := s.CreateUser(t.Context(), "ann", hash)
	if err != nil || ann.ID <= 0 || ann.Name != "ann" || ann.CreatedAt <= 0 {
		t.Fatalf("CreateUser: got %+v and %v", ann, err)
	}
	_, err = s.CreateUser(t.Context(), "ann", nil)
	checkKind(t, "CreateUser again", err, bw.NameTaken)
	if again, err := s.EnsureUser(t.Context(), "ann"); err != nil || again != ann {
		t.Errorf("EnsureUser of an existing one: got %+v and %v, want %+v", again, err, ann)
	}
	if c, err := s.FindCredentials(t.Context(), "ann"); err != nil || c.User != ann || !bytes.Equal(c.PasswordHash, hash) {
		t.Errorf("FindCredentials: got %+v and %v, want the user with hash %x", c, err, hash)
	}
	bob, err := s.EnsureUser(t.Context(), "bob")
	if err != nil || bob.ID == ann.ID || bob.Name != "bob" || bob.CreatedAt <= 0 {
		t.Errorf("EnsureUser of a new one: got %+v and %v", bob, err)
	}
	_, err = s.CreateUser(t.Context(), "bob", hash)
	checkKind(t, "CreateUser of an ensured name", err, bw.NameTaken)
	carl, err := s.CreateUser(t.Context(), "carl", nil)
	if err != nil {
		t.Fatalf("CreateUser without password: %v", err)
	}
	for _, u := range []bw.User{bob, carl} {
		if c, err := s.FindCredentials(t.Context(), u.Name); err != nil || c.User != u || c.PasswordHash != nil {
			t.Errorf("FindCredentials without password: got %+v and %v, want %+v and no hash", c, err, u)
		}
	}
	_, err = s.FindCredentials(t.Context(), "nobody")
	checkKind(t, "FindCredentials of nobody", err, bw.BadCredentials)
}

// distinctNames differ in their bytes only where a collation may see none.
func distinctNames() []bw.Name {
	return []bw.Name{
		"zoe", "Zoe", "zoë", "ZOË", "zoé", "ß", "ss", "SS", "ı", "i", "İ", "I", "a b", "a  b", "a\u00a0b", "æ", "ae",
		"1", "01", "null", "日本", "日本語", "ア", "ｱ", "あ", "한국", "مرحبا", "👍", "👍🏽", "👍🏿", "😀", "😁", "👩\u200d💻",
		"'; DROP TABLE users; --", `"`, `\`, "%", "_", "?", "🇩🇪", "🇪🇩",
		bw.Name(strings.Repeat("x", 64)), bw.Name(strings.Repeat("x", 63)), bw.Name(strings.Repeat("😀", 64)),
	}
}

func testUserNames(t *testing.T, s *suite) {
	ids := make(map[bw.UserID]bw.Name)
	for _, name := range distinctNames() {
		u, err := s.CreateUser(t.Context(), name, nil)
		if err != nil || u.Name != name {
			t.Errorf("CreateUser(%q): got %+v and %v", name, u, err)
			continue
		}
		if other, taken := ids[u.ID]; taken {
			t.Errorf("%q and %q have one id", name, other)
		}
		ids[u.ID] = name
	}
	for id, name := range ids {
		if c, err := s.FindCredentials(t.Context(), name); err != nil || c.ID != id || c.Name != name {
			t.Errorf("FindCredentials(%q): got %+v and %v, want id %d", name, c, err, id)
		}
	}
}

const racers = 16

func testCreateUserRace(t *testing.T, s *suite) {
	for round := range 5 {
		name := bw.Name(fmt.Sprint("racer ", round))
		users, errs := atOnce(racers, func(int) (bw.User, error) { return s.CreateUser(t.Context(), name, nil) })
		won := 0
		for i, err := range errs {
			if err == nil {
				won++
				if c, err := s.FindCredentials(t.Context(), name); err != nil || c.User != users[i] {
					t.Errorf("the winner got %+v, found is %+v (%v)", users[i], c, err)
				}
			} else {
				checkKind(t, "a loser", err, bw.NameTaken)
			}
		}
		if won != 1 {
			t.Errorf("%d callers created the user, want 1", won)
		}
	}
}

func testEnsureUserRace(t *testing.T, s *suite) {
	for round := range 5 {
		users, errs := atOnce(racers, func(i int) (bw.User, error) {
			return s.EnsureUser(t.Context(), bw.Name(fmt.Sprintf("racer %d %d", round, i%2)))
		})
		for i, err := range errs {
			if err != nil || users[i] != users[i%2] {
				t.Errorf("caller %d: got %+v and %v, want %+v", i, users[i], err, users[i%2])
			}
		}
		if users[0].ID == users[1].ID {
			t.Error("two names have one user")
		}
	}
}
